"""Batches of rows: as JSON lines for a transform job, and its output joined with the rows again."""

import csv
import gzip
import itertools
import json
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pipeline.sdk  # noqa: F401 - first: importing the SDK is made hermetic there
from container.errors import InputError
from container.predict import COLUMNS
from container.reading import read_chunks
from container.validation import match_columns
from pipeline.sdk import make_session
from pipeline.settings import Settings
from pipeline.stack import Stack

import boto3
from sagemaker.transformer import Transformer
from sagemaker.workflow.parameters import ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import TransformStep

STEP, MODEL_NAME, ROWS_URI, SCORES_URI = "Score", "ModelName", "RowsUri", "ScoresUri"
INSTANCE_TYPE = "ml.m5.large"  # the smallest of the transform jobs' types
JSON_LINES = "application/jsonlines"
MAX_PAYLOAD_MB = 6  # of a request, many rows in one
PREFIX = "scoring/"  # of the stack's bucket: what the model's role reads and writes
OUTPUT_KEY = "SageMakerOutput"  # the key under which JoinSource puts what the model answered


def build_scoring_pipeline(
    settings: Settings, stack: Stack, boto_session: boto3.Session
) -> Pipeline:
    """Return a pipeline of one TransformStep that joins each row with its probability."""
    session = make_session(PipelineSession, boto_session, stack.bucket)
    model, rows, scores = (ParameterString(name) for name in (MODEL_NAME, ROWS_URI, SCORES_URI))
    transformer = Transformer(
        model_name=model,
        instance_count=1,
        instance_type=INSTANCE_TYPE,
        strategy="MultiRecord",
        max_payload=MAX_PAYLOAD_MB,
        assemble_with="Line",
        accept=JSON_LINES,
        output_path=scores,
        output_kms_key=settings.kms_key,
        tags=settings.aws_tags,
        sagemaker_session=session,
    )
    step = TransformStep(
        name=STEP,
        display_name="Score the rows",
        description="Joins each row with the probability that the approved model gives it.",
        step_args=transformer.transform(
            data=rows, content_type=JSON_LINES, split_type="Line", join_source="Input"
        ),
    )
    return Pipeline(
        name=f"{settings.pipeline_name}-scoring",
        parameters=[model, rows, scores],
        pipeline_experiment_config=None,
        steps=[step],
        sagemaker_session=session,
    )


def write_json_lines(rows: Path, target: Path, name: str) -> int:
    """Write the rows of a CSV file as JSON lines, and return how many there are.

    `name` is what error messages call it. Raises InputError for what the model would refuse.
    """
    count = sum(map(len, read_chunks(rows, name, labelled=False)))
    if not count:
        raise InputError(f"{name}: no rows", "give a header and at least one row")
    records = _read_records(rows, name)
    next(records)
    encode = json.JSONEncoder().encode
    with target.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{encode(features)}\n" for _, features in records)
    return count


def write_scored(rows: Path, scores: Path, target: Path) -> int:
    """Write the rows with the probability of each, in their order; return how many there are.

    Raises InputError when a transform job's output is not that of these rows.
    """
    records = _read_records(rows, str(rows))
    unfinished = target.with_name(f".{target.name}")
    decode = json.JSONDecoder(parse_float=str, parse_int=str).decode  # digits stay as they are
    count = 0
    try:
        with (
            scores.open(encoding="utf-8") as lines,
            unfinished.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            header, _ = next(records)
            writer.writerow([*header, "probability"])
            for (record, features), line in zip(records, lines, strict=True):
                joined: dict[str, Any] = decode(line)
                probability = joined.pop(OUTPUT_KEY)["probability"]
                if joined != features:
                    raise ValueError(f"row {count + 1} is another one")
                writer.writerow([*record, probability])
                count += 1
        unfinished.replace(target)
    except (ValueError, KeyError, TypeError) as error:
        unfinished.unlink(missing_ok=True)
        raise InputError(f"the scores do not fit the rows: {error}", "score again") from None
    return count


def _read_records(path: Path, name: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield the cells of each record of a CSV file, and those of COLUMNS by name; the header first.

    The file is one that `read_chunks` has read. Raises InputError when it is Parquet.
    """
    with path.open("rb") as file:
        begin = file.read(4)
    if begin == b"PAR1":
        raise InputError(f"{name}: is Parquet, not CSV", "save it with pandas.DataFrame.to_csv")
    opened = gzip.open if begin.startswith(b"\x1f\x8b") else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as text:
        records = filter(None, csv.reader(text))
        header = next(records)
        places = match_columns(header, name, labelled=False)
        choose = itemgetter(*(places[column] for column in COLUMNS))
        for record in itertools.chain([header], records):
            yield record, dict(zip(COLUMNS, choose(record), strict=True))
