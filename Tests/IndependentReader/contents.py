"""A block's table of contents: chunks and records (docs/format.md §5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Union

from cursor import Cursor, FormatError, NeedsNewerReader, require
from manifest import Entry, parse_entries
from shard import DATA, MAX_CONTENTS_BYTES, MAX_NUMBER, PARITY, BlockName, BlockShape, Row

MAX_KEY_BYTES = 1024
MAX_METADATA_BYTES = 64 << 10
MAX_CHUNK_BYTES = 16 << 20
MAX_BLOCKS_IN_COMMIT = MAX_DEVICES = 1024
MAX_MANIFEST_ENTRIES = 102
MAX_MANIFEST_DEPTH = 4
MAX_RETIRED = 65_536
STORED, LZ4 = 0, 1
MUST_UNDERSTAND = 1


class Identity(NamedTuple):
    """What tells records apart and puts a key's versions in order."""

    commit: int
    ordinal: int

    @classmethod
    def parse(cls, cursor: Cursor) -> Identity:
        return cls(cursor.u64(), cursor.u32())

    def __str__(self) -> str:
        return f"{self.commit}.{self.ordinal}"


@dataclass(frozen=True)
class Chunk:
    digest: bytes
    offset: int
    stored_bytes: int
    plain_bytes: int
    codec: int
    checksum: int


@dataclass(frozen=True)
class Put:
    key: bytes
    kind: int
    mode: int | None
    modified_nanoseconds: int | None
    byte_count: int
    depth: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Delete:
    key: bytes
    killed: Identity


@dataclass(frozen=True)
class Purge:
    key: bytes
    gone: Identity


@dataclass(frozen=True)
class Profile:
    """How a block should be coded."""

    data_count: int
    global_parities: int
    groups: int

    @property
    def shard_count(self) -> int:
        return self.data_count + self.global_parities + self.groups

    def rows(self, columns: range) -> frozenset[Row]:
        """What a block with these columns should have."""
        data = {Row(DATA, column, 0, 0) for column in columns}
        first = 1 if self.groups else 0
        wide = {Row(PARITY, first + i, columns.start, columns.stop) for i in range(self.global_parities)}
        size = self.data_count // self.groups if self.groups else 0
        starts = [columns.start + group * size for group in range(self.groups)]
        return frozenset(data | wide | {Row(PARITY, 0, start, start + size) for start in starts})

    def __str__(self) -> str:
        if self.groups:
            return f"lrc:{self.data_count}+{self.groups}+{self.global_parities}"
        return f"rs:{self.data_count}+{self.global_parities}"


@dataclass(frozen=True)
class Reshape:
    """A profile record: what blocks of earlier commits should have from now on."""

    first: int
    last: int
    profile: Profile


@dataclass(frozen=True)
class RedundantCommits:
    first: int
    last: int
    below: BlockName


@dataclass(frozen=True)
class Retired:
    block_intervals: tuple[tuple[int, int], ...]
    blocks: frozenset[BlockName]
    commits: tuple[RedundantCommits, ...]

    def holds(self, block: BlockName) -> bool:
        return block in self.blocks or any(first <= block.number <= last for first, last in self.block_intervals)

    def redundant(self, number: int) -> RedundantCommits | None:
        """The redundant interval that the commit lies in."""
        return next((interval for interval in self.commits if interval.first <= number <= interval.last), None)


@dataclass(frozen=True)
class Commit:
    number: int
    epoch: int
    writer: bytes
    previous: BlockName
    devices: frozenset[bytes]
    least_shards: dict[BlockName, int]  # Of each block, in order, the shards that can have acknowledged it.
    profiles: dict[BlockName, Profile]  # What each block should have had.
    last_block: BlockName

    @property
    def whole_epoch(self) -> tuple[int, bytes]:
        return self.epoch, self.writer


@dataclass(frozen=True)
class Passed:
    """A configuration, or a type to be passed over: checked, and of no use to a reader."""


Body = Union[Put, Delete, Purge, Reshape, Retired, Commit, Passed]


@dataclass(frozen=True)
class Record:
    identity: Identity
    body_bytes: bytes
    body: Body


@dataclass(frozen=True)
class Contents:
    used_bytes: int
    chunks: tuple[Chunk, ...]
    records: tuple[Record, ...]


def parse_contents(data: bytes, shape: BlockShape) -> Contents:
    what = f"contents of block {shape.block}"
    require(len(data) <= MAX_CONTENTS_BYTES, what, "too long")
    cursor = Cursor(data, what)
    cursor.expect(b"BSCONTS1", "the magic")
    require(BlockName.parse(cursor) == shape.block, what, "they are of another block")
    used_bytes = cursor.u64()
    require(used_bytes <= len(shape.columns) * shape.payload_bytes, what, f"{used_bytes} payload bytes in use")
    chunk_count, record_count = cursor.u32(), cursor.u32()
    require(chunk_count * 52 + record_count * 24 <= cursor.left, what, "more chunks and records than bytes")
    chunks = tuple(_chunk(cursor, used_bytes) for _ in range(chunk_count))
    records = tuple(_record(cursor, shape.store_id) for _ in range(record_count))
    cursor.end()
    return Contents(used_bytes, chunks, records)


def _chunk(cursor: Cursor, used_bytes: int) -> Chunk:
    digest, offset, stored, plain, codec = cursor.digest(), cursor.u32(), cursor.u32(), cursor.u32(), cursor.u8()
    cursor.zero(3)
    require(codec in (STORED, LZ4), cursor.what, f"unknown codec {codec}")
    require(1 <= stored <= plain <= MAX_CHUNK_BYTES, cursor.what, f"a chunk of {plain} bytes in {stored}")
    require(codec != STORED or stored == plain, cursor.what, "a chunk stored as it is in fewer bytes")
    require(offset + stored <= used_bytes, cursor.what, "a chunk beyond the bytes in use")
    return Chunk(digest, offset, stored, plain, codec, cursor.u32())


def _record(cursor: Cursor, store_id: bytes) -> Record:
    type_number, flags, length = cursor.u16(), cursor.u16(), cursor.u32()
    identity = Identity.parse(cursor)
    cursor.zero(4)
    body_bytes = cursor.take(length)
    require(flags & ~MUST_UNDERSTAND == 0, cursor.what, f"unknown record flags {flags:#x}")
    body = Cursor(body_bytes, f"record {identity} in {cursor.what}")
    if type_number == 1:
        parsed: Body = _put(body)
    elif type_number == 2:
        parsed = _delete(body)
    elif type_number == 3:
        parsed = Purge(_key(body), Identity.parse(body))
    elif type_number == 4:
        parsed = _profile_record(body)
    elif type_number == 5:
        parsed = _configuration(body, store_id)
    elif type_number == 6:
        parsed = _retired(body)
    elif type_number == 7:
        parsed = _commit(body)
    elif flags & MUST_UNDERSTAND:
        raise NeedsNewerReader(f"{body.what}: type {type_number} is unknown and must be understood")
    else:
        return Record(identity, body_bytes, Passed())
    body.end()
    return Record(identity, body_bytes, parsed)


def _key(body: Cursor) -> bytes:
    key = body.take(body.u16())
    require(1 <= len(key) <= MAX_KEY_BYTES and 0 not in key, body.what, f"a key of {len(key)} bytes, or with NUL")
    return key


def _put(body: Cursor) -> Put:
    key, kind, present, mode, modified = _key(body), body.u8(), body.u8(), body.u16(), body.i64()
    body.i64()  # When it was put: for people.
    byte_count = body.u64()
    require(kind <= 2, body.what, f"unknown kind of object {kind}")
    require(present <= 3, body.what, f"unknown attributes {present:#x}")
    body.take(body.count(1, MAX_METADATA_BYTES))
    depth, entry_count = body.u8(), body.u8()
    require(depth <= MAX_MANIFEST_DEPTH, body.what, f"a manifest of depth {depth}")
    require(entry_count <= MAX_MANIFEST_ENTRIES, body.what, f"{entry_count} entries in the record")
    entries = parse_entries(body, entry_count, byte_count)
    return Put(
        key, kind, mode if present & 1 else None, modified if present & 2 else None, byte_count, depth, entries
    )


def _delete(body: Cursor) -> Delete:
    delete = Delete(_key(body), Identity.parse(body))
    body.i64()  # When: for people.
    return delete


def _profile_record(body: Cursor) -> Reshape:
    first, last = body.u64(), body.u64()
    require(first <= last, body.what, "an inverted interval of blocks")
    return Reshape(first, last, _profile(body))


def _profile(body: Cursor) -> Profile:
    kind, k, parities, groups = body.take(4)
    is_known = (kind == 1 and groups == 0) or (kind == 2 and groups >= 2 and k % groups == 0)
    shard_count = k + parities + groups
    is_known = is_known and k >= 1 and parities >= 1 and shard_count <= 64
    require(is_known, body.what, f"unknown profile {(kind, k, parities, groups)}")
    return Profile(k, parities, groups)


def _configuration(body: Cursor, store_id: bytes) -> Passed:
    require(body.u64() <= MAX_NUMBER, body.what, "the configuration's number")
    body.expect(store_id, "the configuration's store")
    _profile(body)
    body.u16()  # The chunker's algorithm, sizes and seed matter to writers alone.
    require(body.u16() <= 1, body.what, "unknown flags of the configuration")
    body.take(20)
    for _ in range(body.count(28, MAX_DEVICES)):
        body.id(), body.u32()
        require(body.u8() <= 2, body.what, "an unknown state of a device")
        body.zero(3)
        for _ in ("label", "failure domain"):
            text = body.take(body.u16())
            require(1 <= len(text) <= 64, body.what, "a label's length")
            require(text.decode("utf-8", "replace").encode() == text, body.what, "a label that is no UTF-8")
    return Passed()


def _retired(body: Cursor) -> Retired:
    intervals = tuple((body.u64(), body.u64()) for _ in range(body.count(16, MAX_RETIRED)))
    blocks = tuple(BlockName.parse(body) for _ in range(body.count(24, MAX_RETIRED)))
    commit_count = body.count(40, MAX_RETIRED)
    commits = tuple(RedundantCommits(body.u64(), body.u64(), BlockName.parse(body)) for _ in range(commit_count))
    for name, bounds in (("blocks", intervals), ("commits", tuple((c.first, c.last) for c in commits))):
        flat = [bound for interval in bounds for bound in interval]
        ascending = all(first <= last for first, last in bounds) and all(
            before[1] < after[0] for before, after in zip(bounds, bounds[1:])
        )
        require(ascending and max(flat, default=0) <= MAX_NUMBER, body.what, f"retired {name} out of order")
    return Retired(intervals, frozenset(blocks), commits)


def _commit(body: Cursor) -> Commit:
    number, epoch = body.u64(), body.u64()
    require(1 <= number <= MAX_NUMBER and epoch <= MAX_NUMBER, body.what, f"commit {number} of epoch {epoch}")
    writer = body.id()
    previous = BlockName.parse(body)
    require((previous.number == 0) == (number == 1), body.what, "only the first commit has none before it")
    devices = frozenset(body.id() for _ in range(body.count(16, MAX_DEVICES)))
    least_shards: dict[BlockName, int] = {}
    profiles: dict[BlockName, Profile] = {}
    name = None
    for _ in range(body.count(32, MAX_BLOCKS_IN_COMMIT)):
        name = BlockName.parse(body)
        profiles[name] = _profile(body)
        least_shards[name] = body.u8()
        require(1 <= least_shards[name] <= profiles[name].shard_count, body.what, f"block {name} needs {least_shards[name]} shards")
        body.zero(3)
    if name is None:
        raise FormatError(f"{body.what}: a commit without blocks")
    return Commit(number, epoch, writer, previous, devices, least_shards, profiles, name)
