"""Models of a model server of the tests' own, and what is asked of it with boto3."""

import io
import tarfile
import uuid
from typing import Any

from local_aws.clients import Clients
from local_aws.tests.jobs import make_image, make_role
from local_aws.tests.waiting import wait_for_status

import boto3
from botocore.config import Config as BotoConfig

# The environment variables `START` and `ANSWER` are Python: what it does before it listens, and to
# each request, with `path`, `body`, `headers` and `model` (model.txt) at hand: a status, a body.
SERVER = """
import http.server, os, pathlib, signal
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
file = root / "model/model.txt"
model = file.read_text() if file.exists() else ""
exec(os.environ.get("START", ""))
print("serving", model, flush=True)

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        names = {"path": self.path, "body": body, "headers": self.headers, "model": model, "os": os}
        status, content = 404, b""
        if self.path == "/ping":
            status = 200
        elif self.path == "/invocations":
            status, content = eval(os.environ.get("ANSWER", "200, body.upper()"), names)
        self.send_response(status)
        self.send_header("Content-Type", self.headers.get("Accept", "text/plain"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # else nothing ends PID 1 of a container
port = os.environ.get("SAGEMAKER_BIND_TO_PORT")  # of a child process
address = ("127.0.0.1", int(port)) if port else ("0.0.0.0", 8080)
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""
REPOSITORY = "serving-"  # the start of the names of its images
IMAGE = {"match": f"*/{REPOSITORY}*", "command": ["python", "-c", SERVER]}
FRAMEWORK_IMAGE = (
    "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
)
FRAMEWORK = {"match": FRAMEWORK_IMAGE, "python": "python"}
ENDED = ("Completed", "Failed", "Stopped")


def archive(files: dict[str, bytes]) -> bytes:
    """A tar.gz of files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


class Serving:
    """Requests with working defaults, and the answers to them."""

    def __init__(self, clients: Clients, image: str = "") -> None:
        self.clients = clients
        self.sagemaker = clients.client("sagemaker")
        self.runtime = clients.client("sagemaker-runtime")
        self.s3 = clients.client("s3")
        self.bucket = f"{REPOSITORY}{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.role = make_role(clients, self.bucket)
        self.image = image or make_image(clients, self.bucket)
        self.data = self.artifact(b"a model")

    def runtime_without_retries(self) -> Any:
        """Return a client that shows what boto3 would try again."""
        environment = self.clients.environment()
        return boto3.client(
            "sagemaker-runtime",
            region_name=self.clients.region,
            endpoint_url=self.clients.endpoint,
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            config=BotoConfig(retries={"total_max_attempts": 1}),
        )

    def artifact(self, text: bytes, files: dict[str, bytes] | None = None) -> str:
        """Return the URI of a new model.tar.gz with this model.txt."""
        content = archive({"model.txt": text, **(files or {})})
        return self.put(f"{uuid.uuid4().hex}/model.tar.gz", content)

    def put(self, key: str, content: bytes) -> str:
        """Return the URI of a new object."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def read(self, prefix: str) -> dict[str, bytes]:
        """Return the objects below a prefix by the rest of their keys."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"{prefix}/")
        return {
            each["Key"].removeprefix(f"{prefix}/"): self.s3.get_object(
                Bucket=self.bucket, Key=each["Key"]
            )["Body"].read()
            for each in listed.get("Contents", [])
        }

    def model(self, *, start: str = "", **changes: Any) -> str:
        """Create a model, and return its name; `ANSWER` in `Environment` is what it answers."""
        name = f"model-{uuid.uuid4().hex[:12]}"
        container = {"Image": self.image, "ModelDataUrl": self.data, **changes}
        environment = {"START": start, **container.get("Environment", {})}
        container["Environment"] = {name: value for name, value in environment.items() if value}
        self.sagemaker.create_model(
            ModelName=name, PrimaryContainer=container, ExecutionRoleArn=self.role
        )
        return name

    def answering(self, answer: str) -> str:
        """Create a model whose server answers so, and return its name."""
        return self.model(Environment={"ANSWER": answer})

    def transform(self, model: str, content: bytes | None = None, **changes: Any) -> dict[str, Any]:
        """Run a transform job over CSV lines, and return its description when it has ended."""
        name = f"transform-{uuid.uuid4().hex[:12]}"
        self.put(f"{name}/in/rows.csv", b"1,2\n3,4\n" if content is None else content)
        request = self.transform_request(name, model)
        for member, value in changes.items():
            request[member] = {**request[member], **value} if member in request else value
        self.sagemaker.create_transform_job(**request)
        return self.wait(name)

    def transform_request(self, name: str, model: str) -> dict[str, Any]:
        """A CreateTransformJob request."""
        uri = f"s3://{self.bucket}/{name}/in"
        return {
            "TransformJobName": name,
            "ModelName": model,
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
                "ContentType": "text/csv",
                "SplitType": "Line",
            },
            "TransformOutput": {
                "S3OutputPath": f"s3://{self.bucket}/{name}/out",
                "AssembleWith": "Line",
            },
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        }

    def wait(self, name: str) -> dict[str, Any]:
        """Return the answer of DescribeTransformJob when the job has ended."""
        return wait_for_status(
            lambda: self.sagemaker.describe_transform_job(TransformJobName=name),
            "TransformJobStatus",
        )

    def output(self, job: dict[str, Any]) -> bytes:
        """Return the one output of a job that completed."""
        assert job["TransformJobStatus"] == "Completed", (job, self.log(job["TransformJobName"]))
        (content,) = self.read(f"{job['TransformJobName']}/out").values()
        return content

    def log(self, prefix: str = "", group: str = "/aws/sagemaker/TransformJobs") -> list[str]:
        """Return all lines of the streams that begin so."""
        logs = self.clients.client("logs")
        which = {"logStreamNamePrefix": prefix} if prefix else {}
        listed = logs.describe_log_streams(logGroupName=group, **which)
        streams = [each["logStreamName"] for each in listed["logStreams"]]
        found = [logs.get_log_events(logGroupName=group, logStreamName=each) for each in streams]
        return [event["message"] for each in found for event in each["events"]]
