"""Reading little-endian fields from bytes that nobody vouches for (docs/format.md, opening)."""

from __future__ import annotations


class FormatError(Exception):
    """Bytes that docs/format.md does not allow, or that are damaged."""


class NeedsNewerReader(FormatError):
    """Sound bytes of a later format (§12). Passing them over would show an older state for the newest."""


class Cursor:
    """Walks over bytes; no field can reach past their end."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data = data
        self.what = what
        self.offset = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.offset

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise FormatError(f"{self.what}: ends {count - self.left} bytes too early at byte {len(self.data)}")
        self.offset += count
        return self.data[self.offset - count : self.offset]

    def unsigned(self, byte_count: int) -> int:
        return int.from_bytes(self.take(byte_count), "little")

    def u8(self) -> int:
        return self.unsigned(1)

    def u16(self) -> int:
        return self.unsigned(2)

    def u32(self) -> int:
        return self.unsigned(4)

    def u64(self) -> int:
        return self.unsigned(8)

    def i64(self) -> int:
        return int.from_bytes(self.take(8), "little", signed=True)

    def id(self) -> bytes:
        return self.take(16)

    def digest(self) -> bytes:
        return self.take(32)

    def expect(self, expected: bytes, field: str) -> None:
        """Takes a field that has one allowed value."""
        found = self.take(len(expected))
        if found != expected:
            raise FormatError(f"{self.what}: {field} is {found.hex()}, expected {expected.hex()}")

    def zero(self, count: int) -> None:
        """Takes room left for later, which an older reader must refuse to find in use."""
        self.expect(bytes(count), f"the room for later at byte {self.offset}")

    def count(self, item_bytes: int, at_most: int | None = None) -> int:
        """A u32 that counts items of at least `item_bytes` each: never more than could follow."""
        count = self.u32()
        if count * item_bytes > self.left or (at_most is not None and count > at_most):
            raise FormatError(f"{self.what}: claims {count} items, {self.left} bytes are left")
        return count

    def end(self) -> None:
        if self.left:
            raise FormatError(f"{self.what}: {self.left} bytes too many")


def require(condition: bool, what: str, problem: str) -> None:
    """Refuses `what` for `problem` unless the condition holds."""
    if not condition:
        raise FormatError(f"{what}: {problem}")
