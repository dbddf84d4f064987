"""Training jobs of a program of the tests' own, asked for with boto3."""

import json
import uuid
from typing import Any

from local_aws.buckets import create_bucket
from local_aws.clients import Clients
from local_aws.ecr.images import put_image
from local_aws.tests.waiting import wait_for_status

from botocore import xform_name

# The hyperparameter `do` is Python: what the program does, with `root` for /opt/ml.
PROGRAM = """
import json, os, pathlib
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
exec(json.loads((root / "input/config/hyperparameters.json").read_text()).get("do", ""))
(root / "model/model.txt").write_text("a model")
"""
CONFIG = {"images": [{"match": "*", "command": ["python", "-c", PROGRAM]}]}


def training_request(role: str, image: str, output: str, **changes: Any) -> dict[str, Any]:
    """Return a CreateTrainingJob request with working defaults."""
    request = {
        "TrainingJobName": f"job-{uuid.uuid4().hex[:12]}",
        "RoleArn": role,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": output},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    return request | changes


class JobCalls:
    """The calls for jobs of one kind, and their answers."""

    kind = "Training"  # as in Create<kind>Job

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.sagemaker = clients.client("sagemaker")
        self.s3 = clients.client("s3")

    def call(self, verb: str, **request: Any) -> dict[str, Any]:
        """Return the answer of the operation <verb><kind>Job."""
        operation = getattr(self.sagemaker, f"{verb}_{xform_name(self.kind)}_job")
        answer: dict[str, Any] = operation(**request)
        return answer

    def create(self, request: dict[str, Any]) -> str:
        """Create a job, and return its name."""
        self.call("create", **request)
        return str(request[f"{self.kind}JobName"])

    def describe(self, name: str) -> dict[str, Any]:
        """Return the answer of the Describe call."""
        return self.call("describe", **{f"{self.kind}JobName": name})

    def stop(self, name: str) -> None:
        """Ask a job to stop."""
        self.call("stop", **{f"{self.kind}JobName": name})

    def wait(self, name: str) -> dict[str, Any]:
        """Return the answer of the Describe call when the job has ended."""
        return wait_for_status(lambda: self.describe(name), f"{self.kind}JobStatus")

    def log(self, name: str) -> list[str]:
        """Return all lines of the job's log, none before there is one."""
        return [line for lines in self.logs(name).values() for line in lines]

    def logs(self, name: str) -> dict[str, list[str]]:
        """Return the lines of each of the job's hosts that has a log."""
        logs, group = self.clients.client("logs"), f"/aws/sagemaker/{self.kind}Jobs"
        try:
            listed = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")
        except logs.exceptions.ResourceNotFoundException:
            return {}
        found: dict[str, list[str]] = {}
        for stream in [each["logStreamName"] for each in listed["logStreams"]]:
            events = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
            host = stream.partition("/")[2].rpartition("-")[0]
            found.setdefault(host, []).extend(event["message"] for event in events)
        return found


class Jobs(JobCalls):
    """Jobs of PROGRAM, with a bucket, a role and an image of their own, or one that is given."""

    def __init__(self, clients: Clients, image: str = "") -> None:
        super().__init__(clients)
        self.bucket = f"jobs-{uuid.uuid4().hex[:12]}"
        create_bucket(self.s3, self.bucket)
        self.role = make_role(clients, self.bucket)
        self.image = image or make_image(clients, self.bucket)

    def request(self, do: Any = "", **changes: Any) -> dict[str, Any]:
        """Return a CreateTrainingJob request."""
        output = f"s3://{self.bucket}/models"
        parameters = {"HyperParameters": {"do": do}}
        return training_request(self.role, self.image, output, **parameters | changes)

    def start(self, do: str = "", **changes: Any) -> str:
        """Create a job, and return its name."""
        return self.create(self.request(do, **changes))

    def channel(self, name: str, prefix: str) -> dict[str, Any]:
        """A channel of the bucket."""
        uri = f"s3://{self.bucket}/{prefix}"
        return {
            "ChannelName": name,
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
        }


def make_image(clients: Clients, repository: str) -> str:
    """Return the URI of an image in ECR, in a new repository."""
    ecr = clients.client("ecr")
    uri = ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
    return f"{uri}@{put_image(ecr, uri, 'program', b'layer', {})}"


def make_role(clients: Clients, name: str) -> str:
    """Return the ARN of a role that services may assume."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["sagemaker.amazonaws.com", "codebuild.amazonaws.com"]},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = clients.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    arn: str = role["Role"]["Arn"]
    return arn
