"""Texts of many rows, left as the bytes in which they were read: they are looked at all at once,
and none is made a str before it is asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from container.passengers import MISSING, clean

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Places = NDArray[np.intp]
Words = NDArray[np.uint64]

WORD = 8  # bytes
PADDING = bytes(WORD)  # stands after the last text, so that a word may be read where it ends

_BLANK, _LAST = b" ~"  # of the printable characters of ASCII the first and the last
_MASKS = np.array([2 ** (8 * count) - 1 for count in range(WORD + 1)], np.uint64)
_LOWER_CASE = np.uint64(0x2020202020202020)  # the bit of a letter; other printable ones in MISSING
# have it too, and of those that get it none becomes one of these
_MISSING = np.array([int.from_bytes(text.encode(), "little") for text in MISSING if text], "<u8")
_BEGINS_MISSING = np.zeros(256, bool)
_BEGINS_MISSING[[ord(case[0]) for text in MISSING if text for case in (text, text.upper())]] = True
_LONGEST_MISSING = max(map(len, MISSING))


@dataclass(frozen=True, eq=False)
class Texts:
    """A text for each row: what stands in `data` from `starts` to before `ends`, printable ASCII,
    but for the rows of which `others` says the text."""

    data: Bytes  # with PADDING
    starts: Places
    ends: Places
    others: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def cleaned(
        cls, data: Bytes, starts: Places, ends: Places, odd: Places, *, doubled_quotes: bool = False
    ) -> "Texts":
        """As `clean` of passengers.py leaves them. `starts` are in rising order, `odd` is at least
        `odd_bytes(data)`; in UTF-8, where a doubled quote may stand for one."""
        last = np.searchsorted(starts, odd, "right") - 1  # to start before an odd byte
        last, odd = last[last >= 0], odd[last >= 0]
        rows = last[odd < ends[last]]
        first = data[starts]
        around = (first == _BLANK) | (data[ends - 1] == _BLANK)
        others = {}
        for row in np.union1d(rows, np.flatnonzero(around & (starts < ends))).tolist():
            text = data[starts[row] : ends[row]].tobytes().decode()
            others[row] = clean(text.replace('""', '"') if doubled_quotes else text)
        short = np.flatnonzero((ends - starts <= _LONGEST_MISSING) & _BEGINS_MISSING[first])
        words = cls(data, starts, ends).words(0, short)
        lower = (words | _LOWER_CASE) & _masks(ends[short] - starts[short])
        missing = short[np.isin(lower, _MISSING)]
        if len(missing):
            ends = ends.copy()
            ends[missing] = starts[missing]
        return cls(data, starts, ends, others)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> str:
        other = self.others.get(row)
        if other is not None:
            return other
        return self.data[self.starts[row] : self.ends[row]].tobytes().decode("ascii")

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))

    @property
    def lengths(self) -> Places:
        """In bytes."""
        return self.ends - self.starts

    def filled(self) -> NDArray[np.bool_]:
        """Which of them are not empty."""
        filled = self.lengths > 0
        for row, text in self.others.items():
            filled[row] = bool(text)
        return filled

    def take(self, rows: list[int]) -> "Texts":
        """Those with these indices, in this order."""
        others = {n: self.others[row] for n, row in enumerate(rows) if row in self.others}
        return Texts(self.data, self.starts[rows], self.ends[rows], others)

    def words(self, first: int, rows: Places | slice = slice(None)) -> Words:
        """Of rows that have so many bytes, eight bytes from the `first` on as one number each, the
        lowest byte first; 0 after the end."""
        overlapping: Words = np.ndarray(
            len(self.data) - WORD + 1, np.dtype("<u8"), self.data, strides=(1,)
        )
        starts = self.starts[rows] + first
        return overlapping[starts] & _masks(self.ends[rows] - starts)

    def find(self, character: str, after: Places) -> Places:
        """Where it first stands from these places on; where there is none, the end of the text."""
        places = np.flatnonzero(self.data == ord(character))
        found: Places = np.append(places, len(self.data))[np.searchsorted(places, after)]
        return np.minimum(found, self.ends)


def odd_bytes(data: Bytes) -> Places:
    """Where bytes are that are not printable ASCII, or a blank that follows another."""
    blank = data == _BLANK
    odd = data - np.uint8(_BLANK) > _LAST - _BLANK
    odd[1:] |= blank[1:] & blank[:-1]
    return np.flatnonzero(odd)


def _masks(lengths: Places) -> Words:
    """Of the bytes of a word that belong to a text of which so many are left."""
    return _MASKS[np.minimum(lengths, WORD)]
