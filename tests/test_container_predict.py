"""Rows to score: the same in every form, by the command and by the server (as NEEDS_ENGINE, in the
image), to the last digit."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from container.artifact import Artifact
from container.errors import InputError
from container.predict import COLUMNS, READERS, WRITERS, probability_text
from container.schema import ALIASES, LABEL, NUMBERS, TEXTS
from pipeline.settings import Settings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from model_server import ModelServer
from pandas.testing import assert_frame_equal
from program import ENVIRONMENT

Row = dict[str, Any]
JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"


def valid(name: str) -> Any:
    """A cell of a column that any schema allows."""
    if name in NUMBERS:
        return NUMBERS[name].minimum
    return next(iter(TEXTS[name].spellings or ["x"]))


ROW: Row = {name: valid(name) for name in COLUMNS}


def as_csv(rows: list[Row]) -> bytes:
    """As JSON has them: a number by its digits, null as an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(rows[0])
    for values in ([row[name] for name in rows[0]] for row in rows):
        writer.writerow(json.dumps(v) if isinstance(v, int | float) else v or "" for v in values)
    return text.getvalue().encode()


FORMS: dict[str, tuple[str, Callable[[list[Row]], bytes]]] = {
    "CSV": (CSV, as_csv),
    "JSON": (JSON, lambda rows: json.dumps(rows).encode()),
    "instances": (JSON, lambda rows: json.dumps({"instances": rows}).encode()),
    "JSON lines": (LINES, lambda rows: "\n".join(map(json.dumps, rows)).encode()),
    "letters and blank lines": (
        LINES,
        lambda rows: "\n \n".join(json.dumps(r, ensure_ascii=False) for r in rows).encode(),
    ),
}

missing = st.sampled_from([None, "", "NaN", float("nan"), " ", "\t", "N/A", "null", "?", "<NA>"])
seen = ["Allen, Miss. Elisabeth", 'Pears, Mrs. Thomas ("Edith")', "C85", "S", "113803", "\u2028É"]
texts = st.text(st.characters(codec="utf-8"), max_size=20) | st.integers() | st.sampled_from(seen)


def cells(name: str) -> st.SearchStrategy[Any]:
    if name in NUMBERS:
        number = NUMBERS[name]
        low, high = int(number.minimum), int(number.maximum)
        whole = st.integers(low, high) | st.integers(low, high).map(lambda n: f" {n}e0 ")
        part = st.floats(low, high)
        return missing | whole | (whole if number.whole else part | part.map(repr))
    spellings = TEXTS[name].spellings
    if spellings:
        return missing | st.sampled_from([*spellings, *map(str.upper, spellings)])
    return missing | texts


rows_to_score = st.permutations(COLUMNS).flatmap(
    lambda names: st.lists(
        st.fixed_dictionaries({name: cells(name) for name in names}), min_size=1, max_size=8
    )
)


@given(rows_to_score)
@hypothesis_settings(max_examples=40)
def test_rows_are_the_same_in_every_form(rows: list[Row]) -> None:
    read = {form: READERS[kind](write(rows)) for form, (kind, write) in FORMS.items()}
    assert list(read["CSV"]) == COLUMNS
    for form, found in read.items():
        assert_frame_equal(found, read["CSV"], obj=form)


def test_names_may_be_written_otherwise_other_keys_are_ignored_one_object_is_one_row() -> None:
    expected = READERS[JSON](json.dumps([ROW]).encode())
    others = {name: alias for alias, name in ALIASES.items()}
    odd = {f" {others.get(name, name).upper()}": value for name, value in ROW.items()}
    odd |= {"more": [1], LABEL: "x"}
    assert_frame_equal(READERS[JSON](b"\xef\xbb\xbf" + json.dumps(odd).encode()), expected)
    labelled = as_csv([{LABEL: "maybe", **ROW}])
    assert_frame_equal(READERS[CSV](labelled), expected)


FIRST_NUMBER = next(iter(NUMBERS))
TOO_MUCH = NUMBERS[FIRST_NUMBER].maximum + 1


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        (JSON, b"{", "body: not JSON: "),
        (JSON, b"[" * 100_000, "body: not JSON: "),
        (JSON, b"\xff", r"body: not UTF-8 \(byte 0\)"),
        (JSON, json.dumps([{**ROW, COLUMNS[-1]: "\ud800"}]), "not JSON: .* surrogates not allowed"),
        (JSON, b"7", "body: no list of rows"),
        (JSON, b"[]", "body: no rows"),
        (JSON, b'{"instances": 7}', "body: no list of rows"),
        (JSON, b"[7]", "body: row 1 is not a JSON object"),
        (JSON, b"[{}]", f"body: row 1: missing columns: {', '.join(COLUMNS)}"),
        (JSON, json.dumps([ROW, {**ROW, COLUMNS[-1]: [1]}]), f"row 2: {COLUMNS[-1]} is a list"),
        (JSON, json.dumps([{**ROW, COLUMNS[0]: True}]), f"row 1: {COLUMNS[0]} is a bool"),
        (
            JSON,
            json.dumps([ROW, {**ROW, FIRST_NUMBER: TOO_MUCH}]),
            rf"{FIRST_NUMBER} is .*\(row 2\)",
        ),
        (JSON, json.dumps([{**ROW, FIRST_NUMBER: float("inf")}]), f"{FIRST_NUMBER} is 'Infinity'"),
        (LINES, b"{}\n{\n", "body: line 2 is not JSON: "),
        (LINES, b"\n\n", "body: no rows"),
        (LINES, b"7\n", "body: row 1 is not a JSON object"),
        (CSV, b"", "body: no rows"),
        (CSV, as_csv([ROW]).splitlines()[1], "body: no header: "),
        (CSV, as_csv([ROW]).replace(b"\r\n", b',"x"\r\n')[:-6] + b"\r\n", "body: row 1 has"),
    ],
)
def test_what_cannot_be_scored_is_refused(kind: str, content: bytes | str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        READERS[kind](content.encode() if isinstance(content, str) else content)
    assert caught.value.hint


@given(st.lists(st.floats(0, 1, width=32), max_size=5))
def test_probabilities_are_written_with_digits_that_tell_any_two_apart(given_: list[float]) -> None:
    lines = WRITERS[CSV](given_).splitlines()
    assert [np.float32(line) for line in lines] == [np.float32(p) for p in given_]
    assert lines == [probability_text(p) for p in given_]
    objects = [json.loads(line, parse_float=str) for line in WRITERS[LINES](given_).splitlines()]
    assert [str(each["probability"]) for each in objects] == lines
    document = json.loads(WRITERS[JSON](given_), parse_float=str)
    assert [str(each["probability"]) for each in document["predictions"]] == lines


def run_command(model: Path, content: bytes) -> subprocess.CompletedProcess[str]:
    """Scores rows as a user would, with nothing but the model folder."""
    command = [sys.executable, "-m", "container.predict", str(model)]
    rows, env = content.decode(), ENVIRONMENT
    return subprocess.run(command, input=rows, env=env, capture_output=True, text=True, check=False)


def test_the_command_scores_rows_with_or_without_labels(
    served_root: Path, settings: Settings, rows: pd.DataFrame
) -> None:
    content = settings.data_file.read_bytes()
    done = run_command(served_root / "model", content)
    header, *lines = done.stdout.splitlines()
    assert header == f"probability,{LABEL}"
    expected = Artifact.load(served_root / "model").score(rows).tolist()
    assert lines == [f"{probability_text(p)},{int(p >= 0.5)}" for p in expected]
    unlabelled = rows.drop(columns=LABEL).to_csv(index=False).encode()
    assert run_command(served_root / "model", unlabelled).stdout == done.stdout


@pytest.mark.parametrize(
    ("folder", "content", "message"),
    [
        ("model", b"", "error: standard input: no rows"),
        ("model", b"x\n3\n", "error: standard input: no header"),
        ("", as_csv([ROW]), "error: /.*: no model.ubj"),
    ],
)
def test_what_the_command_cannot_score_is_one_line_and_a_hint(
    folder: str, content: bytes, message: str, served_root: Path
) -> None:
    done = run_command(served_root / folder, content)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(f"{message}.*\nhint: .*\n", done.stderr), done.stderr


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "> /dev/full"])
def test_a_stream_that_cannot_be_used_is_one_line_and_a_hint(
    redirection: str, served_root: Path, settings: Settings
) -> None:
    command = f'{sys.executable} -m container.predict "$0" < "$1" {redirection}'
    files = [str(served_root / "model"), str(settings.data_file)]
    done = subprocess.run(
        ["sh", "-c", command, *files], env=ENVIRONMENT, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert re.fullmatch(rb"error: standard input or output: .+\nhint: .+\n", done.stderr)


@pytest.fixture(scope="module")
def artifact(served_root: Path) -> Artifact:
    return Artifact.load(served_root / "model")


def assert_served_alike(server: ModelServer, artifact: Artifact, rows: list[Row]) -> None:
    """The server gives the digits of the command for every form of the rows."""
    scores = artifact.score(READERS[CSV](as_csv(rows)))
    expected = [probability_text(probability) for probability in scores.tolist()]
    for form, (kind, write) in FORMS.items():
        answer = server.invoke(write(rows), kind, accept=CSV)
        assert answer.text.splitlines() == expected, form


@hypothesis_settings(max_examples=15)
@given(rows=rows_to_score)
def test_random_rows_are_served_with_the_probabilities_of_the_command(
    rows: list[Row], artifact: Artifact, server: ModelServer
) -> None:
    """With known, unseen and missing values, columns in any order; alone and together."""
    assert_served_alike(server, artifact, rows)
    assert_served_alike(server, artifact, rows[:1])


def test_the_projects_data_are_served_with_the_probabilities_of_the_command(
    artifact: Artifact, server: ModelServer, settings: Settings
) -> None:
    rows: list[Row] = list(csv.DictReader(io.StringIO(settings.data_file.read_text("utf-8"))))
    assert_served_alike(server, artifact, rows)
    assert len(set(artifact.score(READERS[CSV](as_csv(rows))))) > 100
