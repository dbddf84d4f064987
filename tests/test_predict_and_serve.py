"""`python -m container.predict` and the model server give the same numbers, to the last digit.

The server is the process and, as NEEDS_ENGINE, the image.
"""

import csv
import io
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from container import predict
from container.schema import NUMBERS, TEXTS, Number, Text
from container.validation import MISSING
from pipeline.settings import Settings

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from model_server import ModelServer

COLUMNS = (*NUMBERS, *TEXTS)

Row = dict[str, object]


def as_csv(rows: Sequence[Row]) -> bytes:
    """As JSON has them: a number by its digits, null as an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), quoting=csv.QUOTE_ALL)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: cell_of(value) for name, value in row.items()})
    return text.getvalue().encode()


def cell_of(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def predicted(model: Path, body: bytes) -> list[str]:
    """The probabilities that the command prints, as text."""
    stdin, printed = sys.stdin, io.StringIO()
    sys.stdin = io.TextIOWrapper(io.BytesIO(body))
    try:
        with redirect_stdout(printed):
            assert predict.main([str(model)]) == 0
    finally:
        sys.stdin = stdin
    header, *lines = printed.getvalue().splitlines()
    assert header == "probability,survived"
    return [line.partition(",")[0] for line in lines]


def served(server: ModelServer, rows: Sequence[Row]) -> dict[str, list[str]]:
    """The probabilities that the server gives, as text, for each form of the rows."""
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    answers = {
        "CSV": server.invoke(as_csv(rows), "text/csv"),
        "JSON lines": server.invoke(lines, "application/jsonlines"),
        "JSON": server.invoke(json.dumps(rows).encode(), "application/json"),
        "instances": server.invoke(
            json.dumps({"instances": rows}).encode(), "application/json", accept="text/csv"
        ),
    }
    assert {answer.status for answer in answers.values()} == {200}, answers
    objects = [
        json.loads(line, parse_float=str) for line in answers["JSON lines"].text.split("\n")[:-1]
    ]
    predictions = json.loads(answers["JSON"].text, parse_float=str)["predictions"]
    return {
        "CSV": answers["CSV"].text.splitlines(),
        "JSON lines": [each["probability"] for each in objects],
        "JSON": [each["probability"] for each in predictions],
        "instances": answers["instances"].text.splitlines(),
    }


missing = st.none() | st.sampled_from(sorted(MISSING | {"NaN", " ", "\t", "N/A"}))
texts = st.text(max_size=20) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
seen = {
    "name": ["Allen, Miss. Elisabeth", 'Pears, Mrs. Thomas ("Edith")', "Mr."],
    "ticket": ["A/5 21171", "113803"],
    "cabin": ["C85", "b5", "F G73"],
    "embarked": ["S", "C", "Q", "Southampton"],
}


def numbers_of(number: Number) -> st.SearchStrategy[object]:
    """Return numbers within the limits, as JSON has them and as texts."""
    lowest, highest = number.minimum, number.maximum
    whole = st.integers(int(lowest), int(highest))
    if number.whole:
        return whole | whole.map(str)
    some = st.floats(lowest, highest)
    return some | whole | some.map(lambda value: f" {value:.9f} ")


def texts_of(name: str, text: Text) -> st.SearchStrategy[object]:
    if text.spellings is None:
        return texts | st.sampled_from(seen[name])
    return st.sampled_from([f" {each.title()}" for each in text.spellings])


values = {name: missing | numbers_of(number) for name, number in NUMBERS.items()}
values |= {name: missing | texts_of(name, text) for name, text in TEXTS.items()}
rows = st.permutations(COLUMNS).flatmap(
    lambda names: st.lists(
        st.fixed_dictionaries({name: values[name] for name in names}), min_size=1, max_size=70
    )
)


@hypothesis_settings(deadline=None, max_examples=100)
@given(rows=rows)
def test_random_rows_have_the_same_probabilities_everywhere(
    rows: list[Row], served_root: Path, server: ModelServer
) -> None:
    """With known, unseen and missing values, columns in any order; alone and together."""
    expected = predicted(served_root / "model", as_csv(rows))
    for form, found in served(server, rows).items():
        assert found == expected, form
    assert served(server, rows[:1])["JSON lines"] == expected[:1]


def test_the_titanic_data_has_the_same_probabilities_everywhere(
    served_root: Path, server: ModelServer, settings: Settings
) -> None:
    rows: list[Row] = list(csv.DictReader(io.StringIO(settings.data_file.read_text("utf-8"))))
    expected = predicted(served_root / "model", settings.data_file.read_bytes())
    assert len(set(expected)) > 100
    for form, found in served(server, rows).items():
        assert found == expected, form
