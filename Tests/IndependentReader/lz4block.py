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
            literal_count, at = _length(block, at + 1, token >> 4)
            if literal_count > len(block) - at:
                raise FormatError("LZ4: literals run past the end")
            plain += block[at : at + literal_count]
            at += literal_count
            if at == len(block):
                break  # The last sequence has literals only.
            distance = block[at] | block[at + 1] << 8
            match_count, at = _length(block, at + 2, token & 15)
            _copy_match(plain, distance, match_count + LEAST_MATCH_BYTES, plain_byte_count)
    except IndexError:
        raise FormatError("LZ4: the block ends within a sequence") from None
    if len(plain) != plain_byte_count:
        raise FormatError(f"LZ4: {len(plain)} plain bytes, expected {plain_byte_count}")
    return bytes(plain)


def _length(block: bytes, at: int, nibble: int) -> tuple[int, int]:
    """A length that four bits begin and, when they are all set, further bytes continue."""
    length = nibble
    if nibble == 15:
        while True:
            length += block[at]
            at += 1
            if block[at - 1] != 255:
                break
    return length, at


def _copy_match(plain: bytearray, distance: int, count: int, limit: int) -> None:
    """Repeats what was `distance` bytes ago; a match may overlap its own output."""
    if not 0 < distance <= len(plain):
        raise FormatError(f"LZ4: a match {distance} bytes back, at plain byte {len(plain)}")
    if len(plain) + count > limit:
        raise FormatError(f"LZ4: more than {limit} plain bytes")
    seed = bytes(plain[-distance:][:count])
    repeats = -(-count // len(seed))
    plain += (seed * repeats)[:count]
