"""Shard files: row, header, checksum table, footer (docs/format.md §2, §3, §4, §6) and their names (§8)."""

from __future__ import annotations

import hashlib
import os
import re
import struct
from dataclasses import dataclass

from crc32c import crc32c
from cursor import Cursor, FormatError, NeedsNewerReader, require
from galois import coefficient

HEADER_BYTES, FOOTER_BYTES = 256, 64
CELL_BYTES = 65_536
MAX_PAYLOAD_BYTES = 64 << 20
MAX_CONTENTS_BYTES = 16 << 20
MAX_NUMBER = 1 << 48
COLUMN_COUNT = 192
DATA, PARITY = 0, 1


@dataclass(frozen=True, order=True)
class BlockName:
    """What a block is known by: numbers alone may repeat where a commit failed."""

    number: int
    id: bytes

    @classmethod
    def parse(cls, cursor: Cursor) -> BlockName:
        return cls(cursor.u64(), cursor.id())

    def __str__(self) -> str:
        return f"{self.number:016x}-{self.id[:8].hex()}"


@dataclass(frozen=True, order=True)
class Row:
    """One row of the coding matrix (§2); data rows sort before parity."""

    kind: int
    index: int
    first: int
    end: int

    @classmethod
    def parse(cls, cursor: Cursor) -> Row:
        row = cls(*cursor.take(4))
        if row.kind == DATA:
            require(row.index < COLUMN_COUNT, cursor.what, f"no data column {row.index}")
            require(row.first == row.end == 0, cursor.what, "a data row over a range of columns")
        else:
            require(row.kind == PARITY, cursor.what, f"unknown kind of row {row.kind}")
            require(row.index < 64 and row.first < row.end <= COLUMN_COUNT, cursor.what, f"no such parity row: {row}")
        return row

    @classmethod
    def named(cls, file_extension: str) -> Row:
        """The row of a shard's name (§8)."""
        numbers = bytes(int(digits, 16) for digits in file_extension[1:].split("-"))
        data = bytes((DATA,)) + numbers + bytes(2) if file_extension[0] == "d" else bytes((PARITY,)) + numbers
        return cls.parse(Cursor(data, file_extension))

    @property
    def bytes(self) -> bytes:
        return bytes((self.kind, self.index, self.first, self.end))

    @property
    def file_extension(self) -> str:
        if self.kind == DATA:
            return f"d{self.index:02x}"
        return f"p{self.index:02x}-{self.first:02x}-{self.end:02x}"

    def is_within(self, columns: range) -> bool:
        if self.kind == DATA:
            return self.index in columns
        return columns.start <= self.first and self.end <= columns.stop

    def coefficients(self, columns: range) -> list[int]:
        if self.kind == DATA:
            return [int(column == self.index) for column in columns]
        return [coefficient(self.index, c) if self.first <= c < self.end else 0 for c in columns]


@dataclass(frozen=True)
class BlockShape:
    """What the headers of all shards of one block have in common (§3)."""

    store_id: bytes
    block: BlockName
    columns: range
    payload_bytes: int
    contents_bytes: int
    contents_digest: bytes


def parse_header(data: bytes, what: str) -> tuple[BlockShape, Row]:
    cursor = Cursor(data[:-4], what)
    cursor.expect(b"BSSHARD1", "the magic")
    require(len(data) == HEADER_BYTES, what, "too short for a header")
    checksum = struct.unpack_from("<I", data, HEADER_BYTES - 4)[0]
    require(checksum == crc32c(data[:-4]), what, "the header's checksum is wrong")
    version = cursor.u16()
    if version != 1:
        raise NeedsNewerReader(f"{what}: version {version} is unknown")
    require(cursor.u16() == HEADER_BYTES, what, "the header is not 256 bytes long")
    cursor.take(8)  # Compatible and read-only features never stop a reader.
    incompatible = cursor.u32()
    if incompatible != 0:
        raise NeedsNewerReader(f"{what}: unknown incompatible features {incompatible:#x}")
    store_id, block = cursor.id(), BlockName.parse(cursor)
    require(1 <= block.number <= MAX_NUMBER, what, f"block number {block.number}")
    column_count, first = cursor.u8(), cursor.u8()
    columns = range(first, first + column_count)
    require(column_count >= 1 and columns.stop <= COLUMN_COUNT, what, f"columns {first} to {columns.stop}")
    row = Row.parse(cursor)
    require(row.is_within(columns), what, "the row reaches beyond the columns")
    cursor.expect(b"\1\1", "coding matrix and digest")
    payload_bytes = cursor.u32()
    require(payload_bytes <= MAX_PAYLOAD_BYTES and payload_bytes % 64 == 0, what, f"payload of {payload_bytes} bytes")
    cursor.zero(4)  # The payload lies directly behind the header.
    require(cursor.u32() == CELL_BYTES, what, "cells are not 64 KiB")
    contents_bytes = cursor.u32()
    require(contents_bytes <= MAX_CONTENTS_BYTES, what, f"contents of {contents_bytes} bytes")
    cursor.zero(8)
    contents_digest = cursor.digest()
    cursor.zero(124)
    cursor.end()
    return BlockShape(store_id, block, columns, payload_bytes, contents_bytes, contents_digest), row


class Shard:
    """A shard file whose header, table, contents and footer are sound. The payload is checked when it is read."""

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "rb") as file:
            self.shape, self.row = parse_header(file.read(HEADER_BYTES), path)
            self._check_length(os.fstat(file.fileno()).st_size)
            file.seek(HEADER_BYTES + self.shape.payload_bytes)
            behind = Cursor(file.read(), path)
        self._table = self._checked_table(behind.take(self._table_bytes))
        self.contents = behind.take(self.shape.contents_bytes)
        require(
            hashlib.sha256(self.contents).digest() == self.shape.contents_digest, path, "the contents' digest is wrong"
        )
        self._check_footer(behind.take(FOOTER_BYTES))
        behind.end()

    @property
    def _table_bytes(self) -> int:
        return 4 * -(-self.shape.payload_bytes // CELL_BYTES) + 4

    @property
    def _file_bytes(self) -> int:
        return HEADER_BYTES + self.shape.payload_bytes + self._table_bytes + self.shape.contents_bytes + FOOTER_BYTES

    def _check_length(self, found: int) -> None:
        require(found == self._file_bytes, self.path, f"{found} bytes long, expected {self._file_bytes}")

    def _checked_table(self, table: bytes) -> list[int]:
        *cells, own = struct.unpack(f"<{len(table) // 4}I", table)
        found = crc32c(self.shape.block.id + self.row.bytes + table[:-4])
        require(own == found, self.path, "the checksum table's checksum is wrong")
        return cells

    def _check_footer(self, footer: bytes) -> None:
        checksum = struct.unpack_from("<I", footer, FOOTER_BYTES - 4)[0]
        require(checksum == crc32c(footer[:-4]), self.path, "the footer's checksum is wrong")
        cursor = Cursor(footer[:-4], f"{self.path}: footer")
        cursor.expect(b"BSSHEND1", "the magic")
        require(BlockName.parse(cursor) == self.shape.block, self.path, "header and footer name different blocks")
        cursor.expect(self.row.bytes, "the row")
        require(cursor.u64() == self._file_bytes, self.path, "the footer gives another length")
        require(cursor.u32() == self.shape.contents_bytes, self.path, "the footer gives other contents")
        cursor.zero(12)
        cursor.end()

    def payload(self) -> bytes:
        """The payload, every cell of it proved."""
        with open(self.path, "rb") as file:
            file.seek(HEADER_BYTES)
            payload = file.read(self.shape.payload_bytes)
        require(len(payload) == self.shape.payload_bytes, self.path, "was cut short while it was read")
        for number, checksum in enumerate(self._table):
            cell = payload[number * CELL_BYTES : (number + 1) * CELL_BYTES]
            prefix = self.shape.block.id + self.row.bytes + struct.pack("<I", number)
            require(crc32c(prefix + cell) == checksum, self.path, f"cell {number} is damaged")
        return payload


_SHARD_NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}\.(d[0-9a-f]{2}|p[0-9a-f]{2}-[0-9a-f]{2}-[0-9a-f]{2})")


def is_shard_name(name: str) -> bool:
    return _SHARD_NAME.fullmatch(name) is not None


def open_shard(directory: str, name: str) -> Shard:
    """The shard of that name (§8); a file whose header does not fit its name is none."""
    shard = Shard(os.path.join(directory, name))
    expected = f"{shard.shape.block}.{shard.row.file_extension}"
    if name != expected:
        raise FormatError(f"{shard.path}: holds the shard {expected}")
    return shard
