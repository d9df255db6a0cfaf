"""A store as its device directories show it (docs/format.md §8, §9, §10), opened for reading."""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from typing import Any, Callable, Iterator

from block import Block, plain_bytes
from contents import Chunk, Profile, Put
from crc32c import crc32c
from cursor import FormatError, NeedsNewerReader, require
from history import History, newest_puts, profiles
from manifest import pieces
from shard import BlockName, Row, Shard, is_shard_name, open_shard

MAX_DOCUMENT_BYTES = 16 << 20
PAYLOADS_KEPT = 3


class Store:
    """All objects of the newest commit. `warn` hears of everything that was found and not used."""

    def __init__(self, directories: list[str], warn: Callable[[str], None]) -> None:
        self.devices: set[bytes] = set()
        self._warn = warn
        self._blocks: dict[BlockName, Block] = {}
        self._named: dict[str, set[Row]] = {}  # The rows that have a name, by the block's part of it.
        self._payloads: OrderedDict[BlockName, bytes] = OrderedDict()
        self._survey(directories)
        history = History({name: block.contents for name, block in self._blocks.items()})
        chain = history.chain(history.head(self, warn))
        records = history.records(chain)
        self.objects = newest_puts(records)
        self.profiles = {n: p for n, p in sorted(profiles(chain, records).items()) if not history.retired.holds(n)}
        self.lost = history.lost
        self._places = self._chunks_of(
            name for commit in chain for name in commit.least_shards if not history.retired.holds(name)
        )

    def read(self, put: Put) -> Iterator[bytes]:
        """The object's bytes, piece by piece, each proved by its digest."""
        return pieces(put.entries, put.depth, self._chunk)

    def rows(self, name: BlockName, profile: Profile) -> tuple[list[Row], list[Row]]:
        """The rows that the block should have and that were not found, and those found that it should not have."""
        if name not in self._blocks:
            return sorted(profile.rows(range(profile.data_count))), []
        found = self._blocks[name].rows
        wanted = profile.rows(self._blocks[name].shape.columns)
        return sorted(wanted - found), sorted(found - wanted)

    def is_readable(self, name: BlockName) -> bool:
        try:
            self._payload(name)
            return True
        except FormatError:
            return False

    def named_rows(self, name: BlockName) -> set[Row]:
        return self._named.get(str(name), set())

    def _survey(self, directories: list[str]) -> None:
        stores: set[bytes] = set()
        for directory in directories:
            store_id, device_id = _read_device_document(directory)
            if device_id in self.devices:
                raise FormatError(f"{directory}: device {device_id.hex()} was given twice")
            self.devices.add(device_id)
            stores.add(store_id)
            if len(stores) > 1:
                raise FormatError(f"{directory}: belongs to another store, {store_id.hex()}")
            for shard_directory, name in _shard_names(os.path.join(directory, "blocks")):
                block, row = name.split(".")
                try:
                    self._named.setdefault(block, set()).add(Row.named(row))
                    self._add(open_shard(shard_directory, name), store_id)
                except NeedsNewerReader:
                    raise
                except (FormatError, OSError) as error:
                    self._warn(f"refused {error}")

    def _add(self, shard: Shard, store_id: bytes) -> None:
        require(shard.shape.store_id == store_id, shard.path, f"belongs to store {shard.shape.store_id.hex()}")
        block = self._blocks.get(shard.shape.block)
        if block is None:
            self._blocks[shard.shape.block] = Block(shard, self._warn)
        else:
            block.add(shard)

    def _payload(self, name: BlockName) -> bytes:
        """The block's payload, from the few that are kept in memory where it is among them."""
        if name not in self._payloads:
            if name not in self._blocks:
                raise FormatError(f"block {name}: no sound shard was found")
            while len(self._payloads) >= PAYLOADS_KEPT:
                self._payloads.popitem(last=False)
            self._payloads[name] = self._blocks[name].payload()
        self._payloads.move_to_end(name)
        return self._payloads[name]

    def _chunks_of(self, names: Iterator[BlockName]) -> dict[bytes, list[tuple[BlockName, Chunk]]]:
        places: dict[bytes, list[tuple[BlockName, Chunk]]] = {}
        for name in names:
            for chunk in self._blocks[name].contents.chunks if name in self._blocks else ():
                places.setdefault(chunk.digest, []).append((name, chunk))
        return places

    def _chunk(self, digest: bytes) -> bytes:
        """The plain bytes with this digest, from the first block that gives them."""
        problem = FormatError(f"chunk {digest.hex()}: no block found holds it")
        for name, chunk in self._places.get(digest, ()):
            try:
                return plain_bytes(chunk, self._payload(name))
            except FormatError as error:
                problem = error
        raise problem


def _shard_names(blocks: str) -> Iterator[tuple[str, str]]:
    """Directory and name of each shard, in order; strangers are passed over."""
    for directory in sorted(_names(blocks)):
        for name in sorted(_names(os.path.join(blocks, directory))):
            if is_shard_name(name) and directory == f"{int(name[:16], 16) // 4096:013x}":
                yield os.path.join(blocks, directory), name


def _names(directory: str) -> list[str]:
    """What is in a directory; nothing where it is none."""
    return os.listdir(directory) if os.path.isdir(directory) else []


def _read_device_document(directory: str) -> tuple[bytes, bytes]:
    """Store and device id from device.json (§9)."""
    path = os.path.join(directory, "device.json")
    with open(path, "rb") as file:
        data = file.read(MAX_DOCUMENT_BYTES + 1)
    try:
        require(len(data) <= MAX_DOCUMENT_BYTES, path, "too long")
        document = json.loads(data.decode("utf-8"))
        require(document["format"] == 1, path, f"format {document['format']} is unknown")
        require(document["checksum"] == _document_checksum(document), path, "the checksum is wrong")
        digest = _configuration_digest(document)
        require(document["configuration"]["digest"] == digest, path, "the configuration's digest is wrong")
        store_id, device_id = bytes.fromhex(document["storeID"]), bytes.fromhex(document["deviceID"])
        require(len(store_id) == len(device_id) == 16, path, "an id that is not 16 bytes")
        return store_id, device_id
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FormatError(f"{path}: is no device document: {type(error).__name__} {error}") from None


def _document_checksum(document: dict[str, Any]) -> str:
    texts = [document["storeID"], document["deviceID"]]
    for device, path in sorted(document["paths"].items()):
        texts += [device, path]
    return f"{crc32c(b''.join(text.encode() + bytes(1) for text in texts)):08x}"


def _configuration_digest(document: dict[str, Any]) -> str:
    """The SHA-256 of the configuration as a record body (§5.3)."""
    configuration, chunker = document["configuration"], document["configuration"]["chunker"]
    code, _, text_of_counts = configuration["profile"].partition(":")
    counts = [int(count) for count in text_of_counts.split("+")]
    if (code, len(counts)) == ("rs", 2):
        profile = (1, counts[0], counts[1], 0)
    elif (code, len(counts)) == ("lrc", 3):
        profile = (2, counts[0], counts[2], counts[1])
    else:
        raise ValueError(f"profile {configuration['profile']}")

    def number(value: int, byte_count: int) -> bytes:
        return value.to_bytes(byte_count, "little")

    def text(value: str) -> bytes:
        return number(len(value.encode()), 2) + value.encode()

    body = number(configuration["number"], 8) + bytes.fromhex(document["storeID"]) + bytes(profile)
    body += number(chunker["algorithm"], 2) + number(int(configuration["sandbox"]), 2)
    body += b"".join(number(chunker[field], 4) for field in ("minimumBytes", "averageBytes", "maximumBytes"))
    body += number(chunker["seed"], 8) + number(len(configuration["devices"]), 4)
    for device in configuration["devices"]:
        body += bytes.fromhex(device["id"]) + number(device["weight"], 4) + number(device["state"], 1) + bytes(3)
        body += text(device["label"]) + text(device["domain"])
    return hashlib.sha256(body).hexdigest()
