"""Cuts a stream of CSV into blocks that end where a record ends, so that each can be read alone."""

import codecs
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 2**19

QUOTE, COMMA, LINE_FEED, RETURN = b'",\n\r'

# What may stand before an opening quote or after a closing one.
_AROUND_QUOTES = np.zeros(256, bool)
_AROUND_QUOTES[[QUOTE, COMMA, LINE_FEED, RETURN]] = True


@dataclass(frozen=True, eq=False)
class Block:
    """Whole records, in which quotes stand around whole cells only, and doubled in them; or, with
    `rest`, the start of all that is left, where no cut is safe."""

    content: bytes
    first_line: int  # in the file, from 1
    quotes: NDArray[np.intp]  # where they are; one that opens a cell, or a part of it, comes first
    rest: BinaryIO | None = None

    def lines(self) -> Iterator[bytes]:
        """With their ends, which are \\n, \\r or \\r\\n."""
        incomplete = b""
        for chunk in itertools.chain([self.content], self._more()):
            *lines, incomplete = (incomplete + chunk).splitlines(keepends=True) or [b""]
            yield from lines
        if incomplete:
            yield incomplete

    def _more(self) -> Iterator[bytes]:
        while self.rest and (chunk := self.rest.read(BLOCK_BYTES)):
            yield chunk


def blocks(stream: BinaryIO, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """All of the stream, about `size` bytes at a time; without a byte order mark."""
    line, kept = 1, b""
    while True:
        read = stream.read(size)
        content = kept + read
        if line == 1:
            content = content.removeprefix(codecs.BOM_UTF8)
        data = np.frombuffer(content, np.uint8)
        quotes = np.flatnonzero(data == QUOTE)
        end = len(content) if not read else _last_end(content, quotes)
        quotes = quotes[: np.searchsorted(quotes, end)]
        if (content and not end) or not _around_cells(quotes, data):
            yield Block(content, line, quotes, stream)
            return
        if end:
            yield Block(content[:end], line, quotes)
            line += _line_ends(content[:end])
        kept = content[end:]
        if not read:
            return


def _last_end(content: bytes, quotes: NDArray[np.intp]) -> int:
    """Where the last whole record ends; 0 when that cannot be seen."""
    end = content.rfind(b"\n") + 1
    while end and (before := int(np.searchsorted(quotes, end))) % 2:  # inside a quoted cell
        end = content.rfind(b"\n", 0, int(quotes[before - 1])) + 1
    return end


def _around_cells(quotes: NDArray[np.intp], data: NDArray[np.uint8]) -> bool:
    """Whether every reader of CSV understands the quotes alike."""
    if len(quotes) % 2:
        return False
    before, after = quotes[0::2] - 1, quotes[1::2] + 1
    return bool(
        _AROUND_QUOTES[data[before[before >= 0]]].all()
        and _AROUND_QUOTES[data[after[after < len(data)]]].all()
    )


def _line_ends(content: bytes) -> int:
    feeds = int(np.count_nonzero(np.frombuffer(content, np.uint8) == LINE_FEED))
    if b"\r" not in content:
        return feeds
    return feeds + content.count(b"\r") - content.count(b"\r\n")
