#!/usr/bin/env python3
"""Reads a BlockStore from any sufficient set of its device directories.

Written from docs/format.md alone, with Python's standard library and without a line of the engine, to prove that
the document is complete. It needs no index and no home, and it writes nothing to a device.

    reader.py [--list] DEVICE_DIR...               size, SHA-256 and key of every object
    reader.py --blocks DEVICE_DIR...               every block, its profile, and rows that are missing or beyond it
    reader.py --key KEY DEVICE_DIR...              that object to standard output
    reader.py [--key KEY] --out DIR DEVICE_DIR...  that object, or all, into a new directory

Where to find what: shards §2-§4, §6, §8 in shard.py, the coding matrix §2 in galois.py, blocks §2 in block.py,
contents §5 in contents.py, manifests §7 in manifest.py, documents §9 in store.py, what is real §10 in history.py.

Exit codes: 0 everything asked for was read, 1 something was not, 2 wrong usage.
"""

from __future__ import annotations

import sys

sys.dont_write_bytecode = True  # The sources stay as they are.

import argparse
import hashlib
import os

import extraction
from contents import Put
from cursor import FormatError
from store import Store


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Reads a BlockStore from any sufficient set of its devices.")
    parser.add_argument("--list", action="store_true", help="size, SHA-256 and key of every object (the default)")
    parser.add_argument("--blocks", action="store_true", help="every block, and its rows against its profile")
    parser.add_argument("--key", help="one object only, to standard output unless --out is given")
    parser.add_argument("--out", metavar="DIR", help="write objects into this new directory")
    parser.add_argument("devices", metavar="DEVICE_DIR", nargs="+", help="a directory that holds a device.json")
    return parser.parse_args()


def warn(message: str) -> None:
    print(f"reader: {message}", file=sys.stderr)


def readable(key: bytes) -> str:
    """The key on one line: what is not printable UTF-8, and the backslash, as \\xNN."""
    text = key.decode("utf-8", "surrogateescape")
    return "".join(
        c if c.isprintable() and c != "\\" else "".join(f"\\x{b:02x}" for b in c.encode("utf-8", "surrogateescape"))
        for c in text
    )


def list_object(store: Store, put: Put) -> None:
    digest = hashlib.sha256()
    for piece in store.read(put):
        digest.update(piece)
    print(f"{put.byte_count:>12} {digest.hexdigest()} {readable(put.key)}")


def list_blocks(store: Store) -> None:
    for name, profile in store.profiles.items():
        missing, beyond = (" ".join(row.file_extension for row in rows) for rows in store.rows(name, profile))
        print(f"{name} {profile} missing [{missing}] beyond [{beyond}]")


def send(store: Store, put: Put) -> None:
    for piece in store.read(put):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def chosen(store: Store, key: str | None) -> list[Put]:
    if key is None:
        return list(store.objects.values())
    put = store.objects.get(os.fsencode(key))
    if put is None:
        raise FormatError(f"no object {key}")
    return [put]


def run(arguments: argparse.Namespace) -> bool:
    """Whether everything asked for was read."""
    store = Store(arguments.devices, warn)
    puts = chosen(store, arguments.key)
    if arguments.out is not None:
        os.mkdir(arguments.out)
        puts.sort(key=extraction.extraction_order)
    for lost in store.lost:
        warn(f"{lost} was found nowhere: what follows is not the newest state")
    is_complete = not store.lost
    if arguments.blocks:
        list_blocks(store)
        return is_complete
    for put in puts:
        try:
            if arguments.out is not None:
                extraction.write(put, store.read(put), arguments.out)
            elif arguments.key is not None and not arguments.list:
                send(store, put)
            else:
                list_object(store, put)
        except BrokenPipeError:
            raise
        except (FormatError, OSError) as error:
            warn(f"cannot read {readable(put.key)}: {error}")
            is_complete = False
    return is_complete


def main() -> int:
    sys.stdout.reconfigure(encoding="utf-8")
    try:
        return 0 if run(parse_arguments()) else 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (FormatError, OSError, MemoryError) as error:
        warn(f"cannot read the store: {error or type(error).__name__}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
