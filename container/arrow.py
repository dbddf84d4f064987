"""Columns of Arrow tables as numpy arrays and lists of texts, whatever type they were stored in.

arro3 gives numpy no array that holds nulls: the memory is looked at through the Arrow C data
interface (arrow.apache.org, "The Arrow C data interface"), which any Arrow library offers.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import arro3.core as arrow
import numpy as np
from numpy.typing import NDArray

_SPACE = ord(" ")


class _ArrowArray(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    )


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)


def floats(column: arrow.Array) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Numbers, NaN for null, and the rows with a text that is no number (NaN too).

    Raises Exception for a type that has no numbers in it.
    """
    kind = column.type
    if arrow.DataType.is_numeric(kind) or arrow.DataType.is_boolean(kind):
        return _values(column), np.empty(0, np.int64)
    strings = column.cast(arrow.DataType.string())
    values = _values(strings)
    with _memory_of(strings) as memory:
        filled = np.diff(memory.ends()) > 0
    return values, np.flatnonzero(np.isnan(values) & filled)


def texts(column: arrow.Array, clean: Callable[[str], str], longest_cleaned: int) -> list[str]:
    """The cells as `clean` leaves them, "" for null.

    `clean` must take away white space around a text and make one blank of any within; what has
    none of these and is longer than `longest_cleaned` it must leave as it is.
    """
    strings = column.cast(arrow.DataType.string())
    values = cast(list[str], strings.to_pylist())
    if strings.null_count:
        values = ["" if value is None else value for value in values]
    with _memory_of(strings) as memory:
        unclean = _unclean(memory.data(), memory.ends(), longest_cleaned)
    for row in unclean.tolist():
        values[row] = clean(values[row])
    return values


def _values(column: arrow.Array) -> NDArray[np.float64]:
    numbers = column.cast(arrow.DataType.float64())
    if not numbers.null_count:
        return np.array(numbers)
    with _memory_of(numbers) as memory:
        return np.where(memory.valid(), memory.floats(), np.nan)


def _unclean(data: NDArray[np.uint8], ends: NDArray[np.int32], longest: int) -> NDArray[np.int64]:
    """The rows that are short, or have white space that is not one blank between two words. Any
    character outside ASCII may be such a space."""
    lengths = np.diff(ends)
    blank = data == _SPACE
    odd = (data < _SPACE) | (data >= 127)
    odd[1:] |= blank[1:] & blank[:-1]
    filled = np.flatnonzero(lengths)
    if len(filled):
        odd[ends[filled]] |= blank[ends[filled]]
        odd[ends[filled + 1] - 1] |= blank[ends[filled + 1] - 1]
    rows = np.searchsorted(ends, np.flatnonzero(odd), side="right") - 1
    short = np.flatnonzero((lengths > 0) & (lengths <= longest))
    return np.union1d(rows, short)


class _Memory:
    """Views of the buffers of an array, as the Arrow columnar format lays them out."""

    def __init__(self, address: int) -> None:
        array = _ArrowArray.from_address(address)
        self._buffers = array.buffers
        self._first, self._last = array.offset, array.offset + array.length

    def valid(self) -> NDArray[np.bool_]:
        bits = np.unpackbits(self._view(0, (self._last + 7) // 8, np.uint8), bitorder="little")
        return bits[self._first : self._last].astype(np.bool_)

    def floats(self) -> NDArray[np.float64]:
        floats: NDArray[np.float64] = self._view(1, self._last, np.float64)
        return floats[self._first :]

    def ends(self) -> NDArray[np.int32]:
        """Of texts: where each begins in `data`, and where the last one ends."""
        ends: NDArray[np.int32] = self._view(1, self._last + 1, np.int32)
        return ends[self._first :]

    def data(self) -> NDArray[np.uint8]:
        data: NDArray[np.uint8] = self._view(2, int(self.ends()[-1]), np.uint8)
        return data

    def _view(self, buffer: int, count: int, kind: Any) -> Any:
        address, size = self._buffers[buffer], count * np.dtype(kind).itemsize
        if not address or not size:
            return np.zeros(count, kind)
        return np.frombuffer((ctypes.c_uint8 * size).from_address(address), kind)


@contextmanager
def _memory_of(column: arrow.Array) -> Iterator[_Memory]:
    """No view outlives the capsule, which holds the memory."""
    _, capsule = column.__arrow_c_array__()
    yield _Memory(_pointer(capsule, b"arrow_array"))
    del capsule
