"""`python -m container.predict` and the model server give the same numbers, to the last digit.

The server is the process and, as NEEDS_ENGINE, the image.
"""

import csv
import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

from container import predict
from container.schema import LABEL
from pipeline.settings import Settings

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from model_server import ModelServer
from test_container_predict import Row, as_csv, rows_to_score


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
    assert header == f"probability,{LABEL}"
    return [line.partition(",")[0] for line in lines]


def served(server: ModelServer, rows: list[Row]) -> dict[str, list[str]]:
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


@hypothesis_settings(deadline=None, max_examples=100)
@given(rows=rows_to_score)
def test_random_rows_have_the_same_probabilities_everywhere(
    rows: list[Row], served_root: Path, server: ModelServer
) -> None:
    """With known, unseen and missing values, columns in any order; alone and together."""
    expected = predicted(served_root / "model", as_csv(rows))
    for form, found in served(server, rows).items():
        assert found == expected, form
    assert served(server, rows[:1])["JSON lines"] == expected[:1]


def test_the_projects_data_has_the_same_probabilities_everywhere(
    served_root: Path, server: ModelServer, settings: Settings
) -> None:
    rows: list[Row] = list(csv.DictReader(io.StringIO(settings.data_file.read_text("utf-8"))))
    expected = predicted(served_root / "model", settings.data_file.read_bytes())
    assert len(set(expected)) > 100
    for form, found in served(server, rows).items():
        assert found == expected, form
