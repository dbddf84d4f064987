"""Where the cells of plain CSV are, found for those of a whole block at once."""

import csv
from dataclasses import dataclass

from container.csv_blocks import COMMA, LINE_FEED, QUOTE, RETURN, Block
from container.texts import PADDING, Bytes, Places, odd_bytes

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Cells:
    """From `starts` to before `ends` in `data`, without their quotes; shape (rows, columns)."""

    data: Bytes  # with PADDING
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    only_quoted: Places  # line feeds, and the second of doubled quotes

    def odd(self) -> Places:
        """The odd bytes of the cells."""
        odd = odd_bytes(self.data)
        ends_line = (self.data[odd] == LINE_FEED) | (self.data[odd] == RETURN)
        return np.union1d(odd[~ends_line], self.only_quoted)


def cells_of(block: Block, width: int, *, header: bool) -> Cells | None:
    """The cells of all rows, after a header if there is one; None when the csv module might find
    other cells, or anything to complain of. A row has `width` cells, and at least two."""
    content = block.content
    if block.rest or width < 2 or not _is_utf8(content):
        return None
    end = b"" if content.endswith(b"\n") else b"\n"
    data = np.frombuffer(content + end + PADDING, np.uint8)
    line_feed = data == LINE_FEED
    separators = np.flatnonzero(line_feed | (data == COMMA)).astype(np.int32)
    opening, closing = block.quotes[0::2], block.quotes[1::2]
    inner = separators[:0]  # line feeds in quotes
    if len(opening):
        quoted = _between(separators, opening, closing)
        inner = separators[quoted]
        inner = inner[line_feed[inner]]
        separators = separators[~quoted]
    lines = np.count_nonzero(line_feed) - len(inner)
    if len(separators) != lines * width:
        return None
    ends = separators.reshape(lines, width)
    if not line_feed[ends[:, -1]].all():
        return None
    starts = np.append(np.int32(0), separators[:-1] + np.int32(1)).reshape(lines, width)
    if (ends[:, -1] - starts[:, 0]).max(initial=0) > csv.field_size_limit():
        return None
    if b"\r" in content:
        returns = data[ends[:, -1] - 1] == RETURN
        if np.count_nonzero(returns) != content.count(b"\r"):
            return None
        ends[:, -1] -= returns
    if len(opening):
        quoted = data[starts] == QUOTE
        starts += quoted
        ends -= quoted
    doubled = opening[1:][opening[1:] == closing[:-1] + 1]
    first = int(header)
    return Cells(data, starts[first:], ends[first:], np.append(doubled, inner))


def _is_utf8(content: bytes) -> bool:
    try:
        return content.isascii() or bool(content.decode())
    except UnicodeDecodeError:
        return False


def _between(separators: NDArray[np.int32], opening: Places, closing: Places) -> NDArray[np.bool_]:
    """Which of the separators stand between quotes."""
    first, last = np.searchsorted(separators, opening), np.searchsorted(separators, closing)
    some = first < last
    steps = np.zeros(len(separators) + 1, np.int8)
    steps[first[some]] += 1
    steps[last[some]] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)
