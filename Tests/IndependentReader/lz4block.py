"""One LZ4 block without a frame, as lz4_Block_format.md of the LZ4 project describes it (docs/format.md §5.1)."""

from __future__ import annotations

from cursor import FormatError

LEAST_MATCH_BYTES = 4


def decompress(block: bytes, plain_byte_count: int) -> bytes:
    """The plain bytes, exactly as many as promised."""
    plain = bytearray()
    at = 0
    try:
        while True:
            token = block[at]
            literal_count, at = token >> 4, at + 1
            if literal_count == 15:
                literal_count, at = _longer(block, at)
            if literal_count > len(block) - at:
                raise FormatError("LZ4: literals run past the end")
            plain += block[at : at + literal_count]
            at += literal_count
            if at == len(block):
                break  # The last sequence has literals only.
            distance = block[at] | block[at + 1] << 8
            match_count, at = token & 15, at + 2
            if match_count == 15:
                match_count, at = _longer(block, at)
            _copy_match(plain, distance, match_count + LEAST_MATCH_BYTES, plain_byte_count)
    except IndexError:
        raise FormatError("LZ4: the block ends within a sequence") from None
    if len(plain) != plain_byte_count:
        raise FormatError(f"LZ4: {len(plain)} plain bytes, expected {plain_byte_count}")
    return bytes(plain)


def _longer(block: bytes, at: int) -> tuple[int, int]:
    """A length that four set bits began: bytes are added up to the first that is not 255."""
    length = 15
    while block[at] == 255:
        length += 255
        at += 1
    return length + block[at], at + 1


def _copy_match(plain: bytearray, distance: int, count: int, limit: int) -> None:
    """Repeats what was `distance` bytes ago; a match may overlap its own output."""
    start = len(plain) - distance
    if distance == 0 or start < 0:
        raise FormatError(f"LZ4: a match {distance} bytes back, at plain byte {len(plain)}")
    if len(plain) + count > limit:
        raise FormatError(f"LZ4: more than {limit} plain bytes")
    if count <= distance:
        plain += plain[start : start + count]
    else:
        plain += (plain[start:] * -(-count // distance))[:count]
