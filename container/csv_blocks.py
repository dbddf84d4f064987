"""Cuts a stream of CSV into blocks that end where a record ends, so that each can be read alone."""

import codecs
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 2 * 2**20

_QUOTE, _COMMA, _LINE_FEED, _RETURN = b'",\n\r'
_AROUND_QUOTES = np.zeros(
    256, bool
)  # what may stand before an opening quote or after a closing one
_AROUND_QUOTES[[_QUOTE, _COMMA, _LINE_FEED, _RETURN]] = True


@dataclass(frozen=True)
class Block:
    """Whole records; or, with `rest`, the start of all that is left, where no cut is safe."""

    content: bytes
    first_line: int  # in the file, from 1
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
        end = len(content) if not read else _last_end(content)
        if not _plainly_quoted(content, end):
            yield Block(content, line, stream)
            return
        if end:
            block = content[:end]
            yield Block(block, line)
            line += block.count(b"\n") + block.count(b"\r") - block.count(b"\r\n")
        kept = content[end:]
        if not read:
            return


def _last_end(content: bytes) -> int:
    """Where the last whole record ends; 0 when that cannot be seen."""
    quotes = _positions(content)
    end = content.rfind(b"\n") + 1
    while end and (before := int(np.searchsorted(quotes, end))) % 2:  # inside a quoted cell
        end = content.rfind(b"\n", 0, int(quotes[before - 1])) + 1
    return end


def _plainly_quoted(content: bytes, end: int) -> bool:
    """Whether there are records before `end` in which quotes stand around whole cells only, and
    doubled in them, so that every reader of CSV understands them alike."""
    data, quotes = np.frombuffer(content, np.uint8), _positions(content)
    quotes = quotes[quotes < end]
    if not end or len(quotes) % 2:
        return not content
    before, after = quotes[0::2] - 1, quotes[1::2] + 1
    return bool(
        _AROUND_QUOTES[data[before[before >= 0]]].all()
        and _AROUND_QUOTES[data[after[after < len(data)]]].all()
    )


def _positions(content: bytes) -> NDArray[np.int64]:
    return np.flatnonzero(np.frombuffer(content, np.uint8) == _QUOTE)
