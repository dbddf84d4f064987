"""Batch transform jobs of a model server of the tests' own."""

import gzip
import json
import uuid
from typing import Any

from local_aws.sagemaker.data_processing import DataProcessing
from local_aws.tests.serving import Serving
from local_aws.tests.waiting import wait_for

import pytest
from botocore.exceptions import ClientError

LINES = "200, b''.join(b'%d\\n' % len(line) for line in body.splitlines())"  # each one's length
COUNT = "200, b'%d' % len(body.splitlines())"
JSON_LINES = {"ContentType": "application/jsonlines"}
SCORES = "200, b''.join(b'{\"score\": 0.123456789}\\n' for _ in body.splitlines())"


def test_each_line_is_scored_in_its_place(serving_models: Serving) -> None:
    model = serving_models.answering(LINES)
    job = serving_models.transform(model, b"a\nbb\n\nccc")
    assert serving_models.output(job) == b"1\n2\n3\n"
    assert job["TransformStartTime"] <= job["TransformEndTime"]
    assert job["TransformInput"]["SplitType"] == "Line"
    listed = serving_models.sagemaker.list_transform_jobs(NameContains=job["TransformJobName"])
    (summary,) = listed["TransformJobSummaries"]
    assert summary["TransformJobStatus"] == "Completed"


@pytest.mark.parametrize(
    ("strategy", "split_type", "requests"),
    [("SingleRecord", "Line", 3), ("MultiRecord", "Line", 1), ("SingleRecord", "None", 1)],
)
def test_the_strategy_says_how_many_records_a_request_has(
    strategy: str, split_type: str, requests: int, serving_models: Serving
) -> None:
    job = serving_models.transform(
        serving_models.answering(COUNT),
        b"a\nb\nc\n",
        BatchStrategy=strategy,
        TransformInput={"SplitType": split_type},
        MaxConcurrentTransforms=2,
    )
    counts = serving_models.output(job).split()
    assert counts == [b"%d" % (3 // requests)] * requests


def test_what_a_request_does_not_say_the_server_can(serving_models: Serving) -> None:
    """A server that answers /execution-parameters; and what it is told of itself."""
    start = "import json; SENT = json.dumps({'BatchStrategy': 'SINGLE_RECORD'}).encode()"
    patch = (
        "; import http.server as h; old = h.BaseHTTPRequestHandler.send_response\n"
        "def send(self, status, *rest):\n"
        "    if self.path != '/execution-parameters': return old(self, status, *rest)\n"
        "    old(self, 200); self.send_header('Content-Length', str(len(SENT)))\n"
        "    self.end_headers(); self.wfile.write(SENT)\n"
        "h.BaseHTTPRequestHandler.send_response = send"
    )
    model = serving_models.model(
        start=start + patch, Environment={"ANSWER": "200, os.environ['SAGEMAKER_BATCH'].encode()"}
    )
    job = serving_models.transform(model, b"a\nb\n")
    assert serving_models.output(job) == b"true\ntrue\n"
    assert "BatchStrategy=SINGLE_RECORD" in " ".join(serving_models.log(job["TransformJobName"]))


@pytest.mark.parametrize(
    ("processing", "expected"),
    [
        ({"JoinSource": "Input"}, b'7,"a,b",10\n8,c,6\n'),
        ({"InputFilter": "$[1:]", "JoinSource": "Input"}, b'7,"a,b",5\n8,c,1\n'),
        ({"InputFilter": "$[0]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}, b"7,1\n8,1\n"),
        ({"OutputFilter": "$[0]"}, b"10\n6\n"),
    ],
)
def test_csv_is_filtered_and_joined_by_column(
    processing: dict[str, str], expected: bytes, serving_models: Serving
) -> None:
    rows = b'7,"a,b"\n8,c\n'
    answer = "200, b''.join(b'%d\\n' % (len(x) + 3 * (x[:1] in b'78' and len(x) > 1 and b',' in x))"
    answer += " for x in body.splitlines())"
    job = serving_models.transform(
        serving_models.answering(answer), rows, DataProcessing=processing
    )
    assert serving_models.output(job) == expected


@pytest.mark.parametrize(
    ("processing", "expected"),
    [
        (
            {"JoinSource": "Input"},
            [
                {"id": 1, "x": {"y": "é"}, "SageMakerOutput": {"score": 0.123456789}},
                {"id": 2, "x": {"y": "z"}, "SageMakerOutput": {"score": 0.123456789}},
            ],
        ),
        (
            {"InputFilter": "$.x", "JoinSource": "Input", "OutputFilter": "$['id','x']"},
            [{"id": 1, "x": {"y": "é"}}, {"id": 2, "x": {"y": "z"}}],
        ),
        ({"JoinSource": "Input", "OutputFilter": "$.SageMakerOutput.score"}, [0.123456789] * 2),
    ],
)
def test_json_lines_get_the_output_as_a_member(
    processing: dict[str, str], expected: list[Any], serving_models: Serving
) -> None:
    rows = '{"id": 1, "x": {"y": "é"}}\n{"id": 2, "x": {"y": "z"}}\n'.encode()
    job = serving_models.transform(
        serving_models.answering(SCORES), rows, TransformInput=JSON_LINES, DataProcessing=processing
    )
    lines = serving_models.output(job).decode().splitlines()
    assert [json.loads(line) for line in lines] == expected


def test_the_path_below_the_prefix_is_kept_and_gzip_is_read(serving_models: Serving) -> None:
    name = f"transform-{uuid.uuid4().hex[:12]}"
    for key in ("a.csv.gz", "deep/b.csv.gz"):
        serving_models.put(f"{name}/in/{key}", gzip.compress(b"x\n"))
    serving_models.put(f"{name}/in/empty/", b"")
    request = serving_models.transform_request(name, serving_models.model())
    request["TransformInput"]["CompressionType"] = "Gzip"
    serving_models.sagemaker.create_transform_job(**request)
    assert serving_models.wait(name)["TransformJobStatus"] == "Completed"
    assert serving_models.read(f"{name}/out") == {
        "a.csv.gz.out": b"X\n",
        "deep/b.csv.gz.out": b"X\n",
    }


def test_a_refused_object_fails_the_job_and_the_others_are_written(serving_models: Serving) -> None:
    name = f"transform-{uuid.uuid4().hex[:12]}"
    for key, content in (("a", b"bad\n"), ("b", b"good\n")):
        serving_models.put(f"{name}/in/{key}", content)
    model = serving_models.answering("(415, b'no such type') if b'bad' in body else (200, body)")
    serving_models.sagemaker.create_transform_job(**serving_models.transform_request(name, model))
    job = serving_models.wait(name)
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    assert serving_models.read(f"{name}/out") == {"b.out": b"good\n"}
    log = "\n".join(serving_models.log(name))
    assert f"{serving_models.bucket}/{name}/in/a: ClientError: 415" in log
    assert f"{serving_models.bucket}/{name}/in/a: no such type" in log


@pytest.mark.parametrize(
    ("start", "answer", "processing", "reason", "said"),
    [
        ("raise SystemExit(3)", "", {}, "AlgorithmError: See job", "ended with exit code 3"),
        ("", "500, b'oh'", {}, "AlgorithmError: See job", "AlgorithmError: 500"),
        ("", "os._exit(1)", {}, "InternalServerError: We enc", "Unable to get response"),
        ("", "200, b'1'", {"JoinSource": "Input"}, "ClientError: See", "mismatched line count"),
        ("", "200, b'1'", {"InputFilter": "$[9]"}, "ClientError: See", "$[9] leads to nothing"),
    ],
)
def test_a_job_that_fails_says_why_in_its_log(
    start: str, answer: str, processing: Any, reason: str, said: str, serving_models: Serving
) -> None:
    model = serving_models.model(start=start, Environment={"ANSWER": answer} if answer else {})
    job = serving_models.transform(model, DataProcessing=processing)
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(reason)
    assert said in "\n".join(serving_models.log(job["TransformJobName"]))


def test_a_record_larger_than_the_payload_fails_the_job(serving_models: Serving) -> None:
    content = b"x" * (2**20 + 1)
    job = serving_models.transform(serving_models.model(), content, MaxPayloadInMB=1)
    assert job["TransformJobStatus"] == "Failed"
    assert "too much data for max payload size" in "\n".join(
        serving_models.log(job["TransformJobName"])
    )


@pytest.mark.parametrize("data", [b"not a tar", b""])
def test_an_artifact_that_cannot_be_unpacked_fails_the_job(
    data: bytes, serving_models: Serving
) -> None:
    model = serving_models.model(ModelDataUrl=serving_models.put("broken.tar.gz", data))
    job = serving_models.transform(model)
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("Failed to download model data")


def test_a_job_without_input_fails(serving_models: Serving) -> None:
    source = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://none/x"}}}
    job = serving_models.transform(serving_models.model(), TransformInput=source)
    assert job["FailureReason"].startswith("ClientError: cannot list s3://none/x")


def test_a_stopped_job_writes_nothing(serving_models: Serving) -> None:
    name = f"transform-{uuid.uuid4().hex[:12]}"
    serving_models.put(f"{name}/in/rows", b"x\n")
    answer = "(print('asked', flush=True), __import__('time').sleep(600))"
    request = serving_models.transform_request(name, serving_models.answering(answer))
    serving_models.sagemaker.create_transform_job(**request)
    wait_for(lambda: "asked" in logged(serving_models, name))
    serving_models.sagemaker.stop_transform_job(TransformJobName=name)
    job = serving_models.wait(name)
    assert job["TransformJobStatus"] == "Stopped"
    assert "FailureReason" not in job
    assert serving_models.read(f"{name}/out") == {}


def logged(serving: Serving, name: str) -> list[str]:
    """The log, which begins after the job."""
    try:
        return serving.log(name)
    except ClientError:
        return []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"TransformInput": {"SplitType": "RecordIO"}}, "SplitType 'RecordIO'"),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://b/c"}}, "DataCaptureConfig"),
        ({"MaxPayloadInMB": 60, "MaxConcurrentTransforms": 2}, "is 120, and at most 100"),
        ({"DataProcessing": {"InputFilter": "$[?(@.x)]"}}, "JSONPath '$[?(@.x)]', only $"),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "TransformOutput": {"Accept": "image/png"}},
            "DataProcessing needs text/csv",
        ),
        (
            {
                "DataProcessing": {"JoinSource": "Input"},
                "TransformOutput": {"Accept": "application/json"},
            },
            "of the same format",
        ),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "TransformInput": {"SplitType": "None"}},
            "SplitType and AssembleWith",
        ),
        ({"ModelName": "no-such-model"}, "Could not find model"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_by_name(
    changes: dict[str, Any], reason: str, serving_models: Serving
) -> None:
    request = serving_models.transform_request("refused", serving_models.model())
    for member, value in changes.items():
        merged = isinstance(value, dict) and member in request
        request[member] = {**request[member], **value} if merged else value
    with pytest.raises(ClientError) as error:
        serving_models.sagemaker.create_transform_job(**request)
    assert reason in error.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("record", "result", "joined"),
    [
        (b'{"a": 1.10}\n', b'{"p": 0.10}', b'{"a": 1.10,"SageMakerOutput":{"p": 0.10}}\n'),
        (b" { }\n", b"1e-05", b'{ "SageMakerOutput":1e-05}\n'),
        (b"[1, 2]\n", b"3", b'{"SageMakerInput":[1, 2],"SageMakerOutput":3}\n'),
    ],
)
def test_a_join_leaves_the_digits_as_they_are(record: bytes, result: bytes, joined: bytes) -> None:
    config = {"JoinSource": "Input"}
    processing = DataProcessing(config, "application/jsonlines", "", by_line=True)
    assert processing.after([record], result) == joined


def test_more_instances_than_the_quota_of_transform_jobs_are_refused(
    serving_models: Serving,
) -> None:
    message = r"'ml\.m5\.large for transform job usage' is 8 .* request delta of 9 Instances"
    with pytest.raises(ClientError, match=message):
        serving_models.transform(serving_models.model(), TransformResources={"InstanceCount": 9})
