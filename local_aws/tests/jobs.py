"""Training jobs of a program of the tests' own, asked for with boto3."""

import json
import time
import uuid
from typing import Any

from local_aws.clients import Clients
from local_aws.ecr.images import put_image

# The hyperparameter `do` is Python: what the program does, with `root` for /opt/ml.
PROGRAM = """
import json, os, pathlib
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
exec(json.loads((root / "input/config/hyperparameters.json").read_text()).get("do", ""))
(root / "model/model.txt").write_text("a model")
"""
CONFIG = {"images": [{"match": "*", "command": ["python", "-c", PROGRAM]}]}


class Jobs:
    """Requests with working defaults, and the answers to them."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.sagemaker = clients.client("sagemaker")
        self.s3 = clients.client("s3")
        self.bucket = f"jobs-{uuid.uuid4().hex[:12]}"
        place = {"LocationConstraint": clients.region}  # which us-east-1 must not be given
        elsewhere = clients.region != "us-east-1"
        options = {"CreateBucketConfiguration": place} if elsewhere else {}
        self.s3.create_bucket(Bucket=self.bucket, **options)
        self.role = make_role(clients, self.bucket)
        ecr = clients.client("ecr")
        uri = ecr.create_repository(repositoryName=self.bucket)["repository"]["repositoryUri"]
        self.image = f"{uri}@{put_image(ecr, uri, 'program', b'layer', {})}"

    def request(self, do: Any = "", **changes: Any) -> dict[str, Any]:
        """A CreateTrainingJob request."""
        request = {
            "TrainingJobName": f"job-{uuid.uuid4().hex[:12]}",
            "RoleArn": self.role,
            "AlgorithmSpecification": {
                "TrainingImage": self.image,
                "TrainingInputMode": "File",
            },
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/models"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "HyperParameters": {"do": do},
        }
        return request | changes

    def start(self, do: str = "", **changes: Any) -> str:
        """Create a job, and return its name."""
        request = self.request(do, **changes)
        self.sagemaker.create_training_job(**request)
        return str(request["TrainingJobName"])

    def wait(self, name: str) -> dict[str, Any]:
        """Return the answer of DescribeTrainingJob when the job has ended."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            job: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
            if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"):
                return job
            time.sleep(0.05)
        raise AssertionError(f"still {job['SecondaryStatus']}")

    def log(self, name: str, group: str = "/aws/sagemaker/TrainingJobs") -> list[str]:
        """Return all lines of the job's log, none before there is one."""
        logs = self.clients.client("logs")
        try:
            listed = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")
        except logs.exceptions.ResourceNotFoundException:
            return []
        streams = [each["logStreamName"] for each in listed["logStreams"]]
        found = [logs.get_log_events(logGroupName=group, logStreamName=each) for each in streams]
        return [event["message"] for each in found for event in each["events"]]

    def channel(self, name: str, prefix: str) -> dict[str, Any]:
        """A channel of the bucket."""
        uri = f"s3://{self.bucket}/{prefix}"
        return {
            "ChannelName": name,
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
        }


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
