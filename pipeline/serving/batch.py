"""Batches of rows: as JSON lines for a transform job, and its output joined with the rows again."""

import contextlib
import itertools
import json
import zlib
from pathlib import Path

import pipeline.sdk  # noqa: F401 - first: importing the SDK is made hermetic there
from container.errors import InputError
from container.reading import open_content, read_chunks
from pipeline.sdk import make_session
from pipeline.settings import Settings
from pipeline.stack import Stack

import boto3
import pandas as pd
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
    # What is not a whole gzip file is named by read_chunks.
    with contextlib.suppress(EOFError, OSError, zlib.error), open_content(rows) as content:
        if content.read(4) == b"PAR1":
            raise InputError(f"{name}: is Parquet, not CSV", "save it with pandas.DataFrame.to_csv")
    count = 0
    with target.open("w", encoding="utf-8", newline="\n") as file:
        for chunk in read_chunks(rows, name, labelled=False):
            # Numbers as texts keep all their digits.
            file.write(chunk.astype(str).to_json(orient="records", lines=True))
            count += len(chunk)
    if not count:
        raise InputError(f"{name}: no rows", "give a header and at least one row")
    return count


def write_scored(rows: Path, scores: Path, target: Path) -> None:
    """Write the cells of the rows as they are, in their order, with the probability of each row.

    Raises InputError when `scores`, the output of a transform job, is not that of these rows.
    """
    unfinished = target.with_name(f".{target.name}")
    decode = json.JSONDecoder(parse_float=str, parse_int=str).decode  # digits stay as they are
    try:
        with (
            open_content(rows) as content,
            pd.read_csv(
                content, header=None, dtype=object, na_filter=False, chunksize=2**14
            ) as parts,
            scores.open(encoding="utf-8") as joined,
            unfinished.open("w", encoding="utf-8", newline="") as file,
        ):
            answers = (decode(line)[OUTPUT_KEY]["probability"] for line in joined)
            last = itertools.chain(["probability"], answers)
            for cells in parts:  # the first row is the header
                cells["probability"] = list(itertools.islice(last, len(cells)))
                cells.to_csv(file, header=False, index=False, lineterminator="\n")
            if next(last, None) is not None:
                raise ValueError("there are more scores than rows")
        unfinished.replace(target)
    except (ValueError, KeyError, TypeError) as error:
        unfinished.unlink(missing_ok=True)
        raise InputError(f"the scores do not fit the rows: {error}", "score again") from None
