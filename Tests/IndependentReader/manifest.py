"""Manifests: the entries of a put record and of the nodes below it (docs/format.md §7)."""

from __future__ import annotations

from typing import Callable, Iterator, NamedTuple

from cursor import Cursor, require

MAX_NODE_ENTRIES = 4096
ENTRY_BYTES = 40


class Entry(NamedTuple):
    digest: bytes
    covered_bytes: int


def parse_entries(cursor: Cursor, count: int, covered_bytes: int) -> tuple[Entry, ...]:
    """Entries that must add up to `covered_bytes`."""
    require(count * ENTRY_BYTES <= cursor.left, cursor.what, f"claims {count} entries, {cursor.left} bytes are left")
    entries = tuple(Entry(cursor.digest(), cursor.u64()) for _ in range(count))
    require(all(entry.covered_bytes for entry in entries), cursor.what, "an entry covers nothing")
    total = sum(entry.covered_bytes for entry in entries)
    require(total == covered_bytes, cursor.what, f"the entries cover {total} bytes of {covered_bytes}")
    return entries


def _parse_node(data: bytes, depth: int, entry: Entry) -> tuple[Entry, ...]:
    cursor = Cursor(data, f"node {entry.digest.hex()}")
    cursor.expect(b"BSNODES1", "the magic")
    require(cursor.u8() == depth, cursor.what, f"its depth is not {depth}")
    cursor.zero(3)
    entries = parse_entries(cursor, cursor.count(ENTRY_BYTES, MAX_NODE_ENTRIES), entry.covered_bytes)
    cursor.end()
    return entries


def pieces(entries: tuple[Entry, ...], depth: int, chunk: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """The object's bytes in order, chunk by chunk; `chunk` gives the plain bytes with a digest."""
    for entry in entries:
        data = chunk(entry.digest)
        if depth > 0:
            yield from pieces(_parse_node(data, depth - 1, entry), depth - 1, chunk)
        else:
            what = f"chunk {entry.digest.hex()}"
            require(len(data) == entry.covered_bytes, what, f"{len(data)} bytes, not {entry.covered_bytes}")
            yield data
