"""The field GF(2^8), the coding matrix and the way back from rows to columns (docs/format.md §2)."""

from __future__ import annotations

POLYNOMIAL = 0x11D
SIGMA = [0, 2, 15] + [n for n in range(64) if n not in (0, 2, 15)]


def _make_logarithms() -> tuple[list[int], list[int]]:
    """Powers of the generator 2, written twice so that sums of logarithms need no modulus."""
    powers, logarithms = [0] * 510, [0] * 256
    value = 1
    for exponent in range(255):
        powers[exponent] = powers[exponent + 255] = value
        logarithms[value] = exponent
        value <<= 1
        if value & 0x100:
            value ^= POLYNOMIAL
    return powers, logarithms


_POWERS, _LOGARITHMS = _make_logarithms()


def multiply(a: int, b: int) -> int:
    return _POWERS[_LOGARITHMS[a] + _LOGARITHMS[b]] if a and b else 0


def invert(a: int) -> int:
    if a == 0:
        raise ZeroDivisionError("0 has no inverse in GF(2^8)")
    return _POWERS[255 - _LOGARITHMS[a]]


def coefficient(parity_index: int, column: int) -> int:
    """What parity row `parity_index` multiplies data column `column` by."""
    return invert((192 + SIGMA[parity_index]) ^ column)


def weighted_sum(weights: list[int], buffers: list[bytes], byte_count: int) -> bytes:
    """The sum of `weights[i] · buffers[i]`, byte by byte: a table look-up and one long XOR for each buffer."""
    total = 0
    for weight, buffer in zip(weights, buffers):
        table = bytes(multiply(weight, byte) for byte in range(256))
        total ^= int.from_bytes(buffer.translate(table), "little")
    return total.to_bytes(byte_count, "little")


def solve(rows: list[list[int]], column_count: int) -> list[list[int]] | None:
    """For each column the weights, one for each row, with which the rows add up to it.

    Later rows get the weight zero once the rows taken span all columns. None when all of them do not span.
    """
    pivots = _pivots(rows, column_count)
    if len(pivots) < column_count:
        return None
    return [pivots[column][1] for column in range(column_count)]


def rank(rows: list[list[int]], column_count: int) -> int:
    return len(_pivots(rows, column_count))


def _pivots(rows: list[list[int]], column_count: int) -> dict[int, tuple[list[int], list[int]]]:
    """Gauss-Jordan elimination, row after row. By column: a row reduced to it, and what it is made of."""
    pivots: dict[int, tuple[list[int], list[int]]] = {}

    def add(target: list[int], source: list[int], weight: int) -> list[int]:
        return [a ^ multiply(weight, b) for a, b in zip(target, source)]

    for number, row in enumerate(rows):
        if len(pivots) == column_count:
            break
        weights = [int(other == number) for other in range(len(rows))]
        for column, (reduced, made_of) in pivots.items():
            row, weights = add(row, reduced, row[column]), add(weights, made_of, row[column])
        pivot = next((column for column in range(column_count) if row[column]), None)
        if pivot is None:
            continue
        scale = invert(row[pivot])
        row, weights = [multiply(scale, a) for a in row], [multiply(scale, a) for a in weights]
        for column, (reduced, made_of) in pivots.items():
            factor = reduced[pivot]
            pivots[column] = add(reduced, row, factor), add(made_of, weights, factor)
        pivots[pivot] = row, weights
    return pivots


assert [coefficient(0, c) for c in range(8)] == list(bytes.fromhex("1259a53565b8a39e"))
assert [coefficient(1, c) for c in range(8)] == list(bytes.fromhex("a5351259a39e65b8"))
assert [coefficient(2, c) for c in range(8)] == list(bytes.fromhex("3aa87d855a62f7d2"))
