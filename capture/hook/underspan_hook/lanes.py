"""Rows of counts, 32 bits each, lowest byte first: hundreds of them are compared, added or taken
out in one go, which is what keeps the hook's part of a step short."""

import struct
import sys
from array import array

WIDTH = 4
_BITS = 8 * WIDTH
_ONE = struct.Struct("<I")
_IS_BIG = sys.byteorder == "big"
# So many differences are looked for one by one.
_FEW = 8


def row(counts):
    """The row of a list of counts."""
    return _bytes_of(array("I", counts))


def row_of_signed(numbers):
    """A row of numbers that may be negative. Only for writing."""
    return _bytes_of(array("i", numbers))


def _bytes_of(numbers):
    if numbers.itemsize != WIDTH:
        raise ValueError("this platform's integers are not 32 bits wide")
    if _IS_BIG:
        numbers.byteswap()
    return numbers.tobytes()


def count(of_row, at):
    """The count at one place."""
    return _ONE.unpack_from(of_row, at * WIDTH)[0]


def put(of_row, at, a_count):
    """Sets the count at one place of a row that can be changed."""
    try:
        _ONE.pack_into(of_row, at * WIDTH, a_count)
    except struct.error as error:
        raise OverflowError(str(error))


def counts(of_row):
    """All counts of a row."""
    return struct.unpack("<%dI" % (len(of_row) // WIDTH), of_row)


def number(of_row):
    """A row as one integer. Adding two of these adds the rows."""
    return int.from_bytes(of_row, "little")


def row_of(a_number, n_counts):
    """The row that an integer stands for. An error when a sum does not fit its place."""
    return bytearray(a_number.to_bytes(WIDTH * n_counts, "little"))


def remove(of_row, places):
    """Takes counts out of a row. Places are in order."""
    for at in reversed(places):
        del of_row[at * WIDTH : (at + 1) * WIDTH]


def taken(of_row, places):
    """The counts at some places, as a row."""
    return b"".join([of_row[at * WIDTH : (at + 1) * WIDTH] for at in places])


def differing(first, second):
    """Places where two rows of one length differ, in order. Rows are given as integers."""
    places = []
    left = first ^ second
    while left:
        at = (left.bit_length() - 1) // _BITS
        places.append(at)
        left &= (1 << _BITS * at) - 1
        if len(places) == _FEW:
            rest = counts(row_of(left, at))
            return [n for n, difference in enumerate(rest) if difference] + places[::-1]
    return places[::-1]
