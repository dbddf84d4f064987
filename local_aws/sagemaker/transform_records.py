"""The split of an object into requests by batch transform, and the assembly of the responses.

Source: "CreateTransformJob" in the SageMaker API reference (BatchStrategy, MaxPayloadInMB,
TransformInput, TransformOutput).
"""

from collections.abc import Iterable, Iterator

LINE = "Line"
SINGLE_RECORD, MULTI_RECORD = "SingleRecord", "MultiRecord"
MIB = 2**20


class TooMuchData(Exception):
    """A record (or an object without split) is larger than MaxPayloadInMB."""


def split(lines: Iterable[bytes], split_type: str) -> Iterator[bytes]:
    """Yield the records of an object: its non-blank lines, or the whole object."""
    if split_type != LINE:
        yield b"".join(lines)
        return
    for line in lines:
        if line.strip():
            yield line


def batches(records: Iterable[bytes], strategy: str, max_payload_mib: int) -> Iterator[list[bytes]]:
    """Yield the records of each request, with at most `max_payload_mib` in total (0: no limit).

    Raises:
        TooMuchData: A single record is larger.
    """
    limit = max_payload_mib * MIB
    batch: list[bytes] = []
    size = 0
    for record in records:
        if limit and len(record) > limit:
            raise TooMuchData
        if batch and (strategy == SINGLE_RECORD or (limit and size + len(record) > limit)):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record)
    if batch:
        yield batch


def assembled(result: bytes, assemble_with: str) -> bytes:
    """Return the content of the output object for one response."""
    newline = assemble_with == LINE and not result.endswith(b"\n")
    return result + b"\n" if newline else result
