"""A block put together from the shards found of it: any rows that span its columns (docs/format.md §2)."""

from __future__ import annotations

import hashlib
from typing import Callable

import lz4block
from contents import LZ4, Chunk, Contents, parse_contents
from crc32c import crc32c
from cursor import FormatError, require
from galois import solve, weighted_sum
from shard import Row, Shard

Warn = Callable[[str], None]


class TooFewShards(FormatError):
    """The sound rows do not span the block's columns."""


class Block:
    def __init__(self, shard: Shard, warn: Warn) -> None:
        self.shape = shard.shape
        self.contents: Contents = parse_contents(shard.contents, shard.shape)
        self._shards: dict[Row, list[Shard]] = {}
        self._payloads: dict[Row, bytes] = {}
        self._warn = warn
        self.add(shard)

    def add(self, shard: Shard) -> None:
        require(shard.shape == self.shape, shard.path, "contradicts another shard of its block")
        self._shards.setdefault(shard.row, []).append(shard)

    @property
    def rows(self) -> frozenset[Row]:
        """Of which a shard was found."""
        return frozenset(self._shards)

    def payload(self) -> bytes:
        """All columns end to end, proved by cells and padding. Refuses damaged shards and goes on with others."""
        if self.shape.payload_bytes == 0:
            return b""
        while True:
            rows = sorted(self._shards)
            weights = solve([row.coefficients(self.shape.columns) for row in rows], len(self.shape.columns))
            if weights is None:
                raise TooFewShards(f"block {self.shape.block}: {len(rows)} sound shards do not make it up")
            used = [number for number in range(len(rows)) if any(column[number] for column in weights)]
            if all([self._load(rows[number]) for number in used]):
                return self._join(weights, rows, used)

    def _load(self, row: Row) -> bool:
        """Whether the row's payload is there now. A damaged shard is refused once and for all."""
        if row in self._payloads:
            return True
        shard = self._shards[row][0]
        try:
            self._payloads[row] = shard.payload()
            return True
        except (FormatError, OSError) as error:
            self._warn(f"refused {error}")
            self._shards[row].remove(shard)
            if not self._shards[row]:
                del self._shards[row]
            return False

    def _join(self, weights: list[list[int]], rows: list[Row], used: list[int]) -> bytes:
        buffers = [self._payloads[rows[number]] for number in used]
        columns = [
            weighted_sum([column[number] for number in used], buffers, self.shape.payload_bytes) for column in weights
        ]
        self._payloads.clear()
        payload = b"".join(columns)
        unused = payload[self.contents.used_bytes :]
        require(unused.count(0) == len(unused), f"block {self.shape.block}", "unused payload is not zero")
        return payload


def plain_bytes(chunk: Chunk, payload: bytes) -> bytes:
    """The chunk's plain bytes, proved by their digest."""
    what = f"chunk {chunk.digest.hex()}"
    stored = payload[chunk.offset : chunk.offset + chunk.stored_bytes]
    require(crc32c(stored) == chunk.checksum, what, "the stored bytes' checksum is wrong")
    plain = lz4block.decompress(stored, chunk.plain_bytes) if chunk.codec == LZ4 else stored
    require(hashlib.sha256(plain).digest() == chunk.digest, what, "the digest is wrong")
    return plain
