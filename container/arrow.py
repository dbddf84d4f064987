"""Arrow arrays as numpy arrays, whatever type they were stored in; and numbers from texts.

arro3 gives numpy no array that holds nulls, and takes no texts from it: their memory is looked at,
and handed over, through the Arrow C data interface (arrow.apache.org, "The Arrow C data
interface"), which any Arrow library offers.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from container.texts import PADDING, Bytes, Places

import arro3.core as arrow
import numpy as np
from numpy.typing import NDArray


class _ArrowArray(ctypes.Structure):
    pass


_Release = ctypes.CFUNCTYPE(None, ctypes.POINTER(_ArrowArray))
_ArrowArray._fields_ = (
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.c_void_p),
    ("dictionary", ctypes.c_void_p),
    ("release", _Release),
    ("private_data", ctypes.c_void_p),
)

_NAME = b"arrow_array"  # of the capsule, as the interface says

_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)

_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.restype = ctypes.py_object
_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)


def is_numeric(column: arrow.Array) -> bool:
    kind = column.type
    return arrow.DataType.is_numeric(kind) or arrow.DataType.is_boolean(kind)


def floats(column: arrow.Array) -> tuple[NDArray[np.float64], Places]:
    """Numbers, NaN for null, and the rows with a text that is no number (NaN too).

    Raises Exception for a type that has no numbers in it.
    """
    if is_numeric(column):
        return _values(column), np.empty(0, np.intp)
    strings = column.cast(arrow.DataType.string())
    values = _values(strings)
    with _memory_of(strings) as memory:
        filled = np.diff(memory.ends()) > 0
    return values, np.flatnonzero(np.isnan(values) & filled)


def parsed(
    data: Bytes, starts: NDArray[np.integer], ends: NDArray[np.integer]
) -> tuple[NDArray[np.float64], Places]:
    """Of texts in UTF-8, one after the other in `data`, what `floats` gives; the shape is that of
    `starts`, the rows are counted as if it were flat.

    Between two texts there is something that does not begin a number, such as a comma.
    """
    offsets = np.stack([starts, ends], axis=-1, dtype=np.int32, casting="same_kind").ravel()
    if not len(offsets):
        return np.empty(starts.shape), np.empty(0, np.intp)
    numbers = _cast(data, offsets)  # the texts, and in every second place what stands between
    with _memory_of(numbers) as memory:
        values = memory.floats()[::2].copy()
        if numbers.null_count > len(values) - 1:
            values[~memory.valid()[::2]] = np.nan
    unread = np.isnan(values) & (offsets[::2] < offsets[1::2])
    return values.reshape(starts.shape), np.flatnonzero(unread)


def strings(column: arrow.Array) -> tuple[Bytes, Places, Places]:
    """Where the text of each row starts and ends in the bytes, which have a PADDING; nothing for
    null."""
    strings = column.cast(arrow.DataType.string())
    with _memory_of(strings) as memory:
        bounds = memory.ends().astype(np.intp)
        first = bounds[0] if len(bounds) else 0
        data = np.frombuffer(memory.data()[first:].tobytes() + PADDING, np.uint8)
        starts, ends = bounds[:-1] - first, bounds[1:] - first
        if strings.null_count:
            ends = np.where(memory.valid(), ends, starts)
    return data, starts, ends


def _values(column: arrow.Array) -> NDArray[np.float64]:
    numbers = column.cast(arrow.DataType.float64())
    if not numbers.null_count:
        return np.array(numbers)
    with _memory_of(numbers) as memory:
        return np.where(memory.valid(), memory.floats(), np.nan)


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

    def data(self) -> Bytes:
        data: Bytes = self._view(2, int(self.ends()[-1]), np.uint8)
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
    yield _Memory(_pointer(capsule, _NAME))
    del capsule


def _cast(data: Bytes, offsets: NDArray[np.int32]) -> arrow.Array:
    """As float64, the texts from each of the offsets to the next; null where there is no number."""
    buffers = (ctypes.c_void_p * 3)(None, offsets.ctypes.data, data.ctypes.data)
    array = _ArrowArray(len(offsets) - 1, 0, 0, 3, 0, buffers, None, None, _released, None)
    capsule = _capsule(ctypes.addressof(array), _NAME, None)
    strings = arrow.DataType.string()
    texts = arrow.Array.from_arrow_pycapsule(strings.__arrow_c_schema__(), capsule)
    return texts.cast(arrow.DataType.float64())


def _release(array: Any) -> None:
    """There is nothing to free; an array that is released says so."""
    array.contents.release = _Release()


_released = _Release(_release)
