"""DataProcessing of batch transform: filter the input, join and filter the output.

Source: "Associate Prediction Results with Input Records" in the SageMaker developer guide.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

CSV, JSON, JSON_LINES = "CSV", "JSON", "JSON lines"
FORMATS = {
    "text/csv": CSV,
    "application/json": JSON,
    "application/jsonlines": JSON_LINES,
    "application/x-jsonlines": JSON_LINES,
}
WHOLE = "$"
INPUT = "Input"

_NAME = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_INDEX = r"-?\d+"
_SELECTOR = re.compile(
    rf"\.(?P<wildcard>\*)|\.(?P<dotted>[\w-]+)|\.?\[\s*(?:(?P<all>\*)"
    rf"|(?P<names>(?:{_NAME})(?:\s*,\s*(?:{_NAME}))*)"
    rf"|(?P<slice>(?:{_INDEX})?\s*:\s*(?:{_INDEX})?)"
    rf"|(?P<indices>{_INDEX}(?:\s*,\s*{_INDEX})*))\s*\]"
)


class PathError(ValueError):
    """A JSONPath outside the documented subset, or one that matches nothing."""


class JsonPath:
    """A JSONPath of the subset that batch transform supports: names, indices, slices and `*`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._selectors: list[re.Match[str]] = []
        position = 1
        while text.startswith(WHOLE) and (match := _SELECTOR.match(text, position)):
            self._selectors.append(match)
            position = match.end()
        if not text.startswith(WHOLE) or position != len(text):
            raise PathError(
                f"local AWS does not support the JSONPath {text!r}, only $, .name, ['name', ...], "
                "[index, ...], [start:end] and *"
            )

    def select(self, value: Any) -> Any:
        """Return the part of a JSON value at the path. Raises PathError."""
        found, many = [value], False
        for selector in self._selectors:
            try:
                chosen = [_chosen(each, selector) for each in found]
            except (KeyError, IndexError, TypeError, AttributeError):
                raise PathError(f"{self.text} leads to nothing") from None
            found = [each for values, _ in chosen for each in values]
            many = many or any(several for _, several in chosen)
        return found if many else found[0]


def _chosen(value: Any, selector: re.Match[str]) -> tuple[list[Any], bool]:
    """Return the parts of a value that a selector matches, and whether there can be several."""
    if selector["wildcard"] or selector["all"]:
        return list(value.values() if isinstance(value, dict) else value), True
    if selector["dotted"]:
        return [_member(value, selector["dotted"])], False
    if selector["names"]:
        names = [_unquoted(name) for name in re.findall(_NAME, selector["names"])]
        if len(names) == 1:
            return [_member(value, names[0])], False
        return [{name: _member(value, name) for name in names}], False
    if not isinstance(value, list):
        raise TypeError
    if selector["slice"]:
        start, end = (int(part) if part.strip() else None for part in selector["slice"].split(":"))
        return value[start:end], True
    indices = [int(part) for part in selector["indices"].split(",")]
    return [value[index] for index in indices], len(indices) > 1


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        raise TypeError
    return value[name]


def _unquoted(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name[1:-1])


class DataProcessing:
    """The filters and the join of one job."""

    def __init__(
        self, config: Mapping[str, str], content_type: str, accept: str, by_line: bool
    ) -> None:
        """Parse the filters and the join. Raises PathError."""
        self._input_filter = JsonPath(config.get("InputFilter", WHOLE))
        self._output_filter = JsonPath(config.get("OutputFilter", WHOLE))
        self._join = config.get("JoinSource") == INPUT
        self._input_format = media_format(content_type)
        self._output_format = media_format(accept or content_type)
        self._by_line = by_line

    @property
    def changes_output(self) -> bool:
        """Return whether responses must be parsed."""
        return self._join or self._output_filter.text != WHOLE

    def before(self, record: bytes) -> bytes:
        """Return the filtered input for a record. Raises ValueError."""
        if self._input_filter.text == WHOLE:
            return record
        return b"".join(
            _written(self._input_filter.select(_read(each, self._input_format)), self._input_format)
            for each in self._units(record, self._input_format)
        )

    def after(self, records: Sequence[bytes], result: bytes) -> bytes:
        """Return the joined and filtered output for these records. Raises ValueError."""
        if not self.changes_output:
            return result
        results = self._units(result, self._output_format)
        if self._join:
            inputs = [unit for each in records for unit in self._units(each, self._input_format)]
            if len(inputs) != len(results):
                raise ValueError(
                    "Fail to join data: mismatched line count between the input and the output: "
                    f"{len(inputs)} and {len(results)}"
                )
            pairs = list(zip(inputs, results, strict=True))
            if self._output_filter.text == WHOLE:
                join = _joined_csv if self._output_format == CSV else _joined_json
                return b"".join(join(before, after) for before, after in pairs)
            values = [
                _joined(_read(before, self._input_format), _read(after, self._output_format))
                for before, after in pairs
            ]
        else:
            values = [_read(each, self._output_format) for each in results]
        return b"".join(
            _written(self._output_filter.select(value), self._output_format) for value in values
        )

    def _units(self, content: bytes, media: str) -> list[bytes]:
        """Return the rows of a content, or its one document."""
        if media == JSON and not self._by_line:
            return [content]
        return [line for line in content.split(b"\n") if line.strip()]


def media_format(media_type: str) -> str:
    """Return the format of a media type for the filters; empty for an unsupported one."""
    return FORMATS.get(media_type.partition(";")[0].strip().lower(), "")


def _joined_csv(before: bytes, after: bytes) -> bytes:
    return before.rstrip(b"\r\n") + b"," + after.rstrip(b"\r\n") + b"\n"


def _joined_json(before: bytes, after: bytes) -> bytes:
    """Join two JSON texts without parsing them, so that all digits stay."""
    before, after = before.strip(), after.strip()
    if not before.startswith(b"{"):
        return b'{"SageMakerInput":' + before + b',"SageMakerOutput":' + after + b"}\n"
    comma = b"," if before[1:-1].strip() else b""
    return before[:-1] + comma + b'"SageMakerOutput":' + after + b"}\n"


def _joined(before: Any, after: Any) -> Any:
    if isinstance(before, _Row):
        return _Row([*before, *after])
    if isinstance(before, dict):
        return {**before, "SageMakerOutput": after}
    return {"SageMakerInput": before, "SageMakerOutput": after}


class _Row(list[str]):
    """The cells of a CSV row."""


def _read(unit: bytes, media: str) -> Any:
    text = unit.decode("utf-8")
    if media == CSV:
        return _Row(next(csv.reader([text.rstrip("\r\n")], strict=True)))
    return json.loads(text)


def _written(value: Any, media: str) -> bytes:
    if media == CSV:
        cells = value if isinstance(value, list) else [value]
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerow(cells)
        return file.getvalue().encode()
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
