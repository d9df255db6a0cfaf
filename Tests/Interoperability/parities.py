"""What bsctl writes, computed once more in the field of another library: galois, https://pypi.org/project/galois.

Stores a file with each profile, reads the shards as docs/format.md §2 and §3 describe them, and compares every parity with
the product of the coding matrix and the data. Then takes away every set of rows that the profile tolerates, and
solves for the data. Field, products, ranks and inverses are all the library's. Started by scripts/interoperability.
"""

from __future__ import annotations

import argparse
import itertools
import random
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import galois
    import numpy as np
except ImportError as error:
    sys.exit(f"interoperability: not run: Python lacks {error.name}; pip install galois, or use scripts/interoperability")

FIELD = galois.GF(2**8, irreducible_poly="x^8 + x^4 + x^3 + x^2 + 1")
SIGMA = [0, 2, 15] + [n for n in range(64) if n not in (0, 2, 15)]
HEADER_BYTES = 256
FILE_BYTES = 1_000_003

Row = tuple[int, int, int, int]  # Kind, index, first, end.


def rows_of(k: int, groups: int, parities: int) -> list[Row]:
    """The rows of `rs:k+parities` (no groups) or `lrc:k+groups+parities` (§5.2)."""
    data = [(0, column, 0, 0) for column in range(k)]
    size = k // groups if groups else 0
    local = [(1, 0, group * size, (group + 1) * size) for group in range(groups)]
    first = 1 if groups else 0
    return data + local + [(1, index, 0, k) for index in range(first, first + parities)]


def generator(rows: list[Row], k: int) -> galois.FieldArray:
    """One row of the matrix for each row of the block, one column for each data column (§2)."""
    matrix = FIELD.Zeros((len(rows), k))
    for number, (kind, index, first, end) in enumerate(rows):
        for column in range(k):
            if kind == 0:
                matrix[number, column] = int(column == index)
            elif first <= column < end:
                matrix[number, column] = FIELD(1) / FIELD((192 + SIGMA[index]) ^ column)
    return matrix


def payloads(store: Path) -> dict[bytes, dict[Row, np.ndarray]]:
    """By block, the payload of each row. Blocks without payload are left out."""
    blocks: dict[bytes, dict[Row, np.ndarray]] = {}
    for path in sorted(store.glob("**/blocks/*/*")):
        shard = path.read_bytes()
        byte_count = int.from_bytes(shard[72:76], "little")
        if byte_count:
            row = tuple(shard[66:70])
            payload = np.frombuffer(shard, np.uint8, byte_count, HEADER_BYTES)
            blocks.setdefault(shard[48:64], {})[row] = payload
    return blocks


def independent(matrix: galois.FieldArray) -> list[int]:
    """Numbers of the first rows that span what all of them do."""
    reduced = matrix.T.row_reduce()
    return [int(np.flatnonzero(row)[0]) for row in reduced if row.any()]


def check(bsctl: Path, profile: str, k: int, groups: int, parities: int, tolerance: int, work: Path) -> None:
    rows = rows_of(k, groups, parities)
    content = random.Random(profile).randbytes(FILE_BYTES)
    (work / "file").write_bytes(content)
    store = work / "store"
    subprocess.run([bsctl, "init", store, "--disks", str(len(rows)), "--profile", profile, "-q"], check=True)
    subprocess.run([bsctl, "--store", store, "put", work / "file", "file", "-q"], check=True)
    blocks = payloads(store)
    # Random bytes are not compressed, and one block has room for all of them: it starts with the file.
    assert len(blocks) == 1, f"{profile}: {len(blocks)} blocks"
    (found,) = blocks.values()
    assert set(found) == set(rows), f"{profile}: the rows are {sorted(found)}"
    matrix = generator(rows, k)
    shards = FIELD(np.stack([found[row] for row in rows]))
    data = shards[:k]
    assert data.tobytes()[:FILE_BYTES] == content, f"{profile}: the data are not the file"
    for number, row in enumerate(rows):
        assert np.array_equal(matrix[number : number + 1] @ data, shards[number : number + 1]), f"{profile}: row {row}"
    losses = [lost for count in range(1, tolerance + 1) for lost in itertools.combinations(range(len(rows)), count)]
    for lost in losses:
        left = [number for number in range(len(rows)) if number not in lost]
        used = [left[number] for number in independent(matrix[left])]
        assert len(used) == k, f"{profile} without {lost}: rank {len(used)}"
        decoded = np.linalg.inv(matrix[used]) @ shards[used]
        assert np.array_equal(decoded, data), f"{profile} without {lost}: other bytes"
    print(f"{profile}: {len(rows) - k} parities of {shards.shape[1]} bytes are equal, {len(losses)} losses decode")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bsctl", type=Path, required=True)
    bsctl = parser.parse_args().bsctl.resolve()
    if not bsctl.is_file():
        sys.exit(f"interoperability: not run: there is no {bsctl}")
    print(f"galois {galois.__version__}, {FIELD.name} modulo {FIELD.irreducible_poly}")
    for profile, *shape in (("rs:4+2", 4, 0, 2, 2), ("lrc:6+2+2", 6, 2, 2, 3)):
        with tempfile.TemporaryDirectory() as work:
            check(bsctl, profile, *shape, Path(work))


if __name__ == "__main__":
    main()
