"""Jobs in containers and as child processes, of one server."""

import contextlib
import socket

from local_aws.tests.conftest import ABSENT_IMAGE, BASE_IMAGE
from local_aws.tests.jobs import Jobs
from local_aws.tests.test_processing import IN, OUT, Processing

import pytest

pytestmark = pytest.mark.container_engine


@pytest.fixture(scope="module")
def processing(container_jobs: Jobs) -> Processing:
    return Processing(Jobs(container_jobs.clients))


PROGRAM = f"""
import os, pathlib, socket
text = pathlib.Path("{IN}/data/a.csv").read_text()
in_container = socket.gethostname() == "algo-1"
pathlib.Path("{OUT}/report/x").write_text(f"{{text}} {{in_container}}")
pathlib.Path("/opt/ml/output/message").write_text(os.environ["NAME"])
"""


@pytest.mark.parametrize("in_container", [True, False])
def test_each_image_is_run_as_its_entry_says(in_container: bool, processing: Processing) -> None:
    put = processing.jobs.s3.put_object
    put(Bucket=processing.jobs.bucket, Key="rows/a.csv", Body=b"row")
    put(Bucket=processing.jobs.bucket, Key="code/run.py", Body=PROGRAM.encode())
    request = processing.request(
        f"exec(open('{IN}/code/run.py').read())",
        Environment={"NAME": "value"},
        ProcessingInputs=[processing.input("data", "rows/"), processing.input("code", "code/")],
        ProcessingOutputConfig={"Outputs": [processing.output("report", f"{in_container}")]},
    )
    if in_container:
        request["AppSpecification"]["ImageUri"] = BASE_IMAGE
    processing.create(request)
    job = processing.wait(request["ProcessingJobName"])
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ExitMessage"] == "value"
    assert processing.objects(f"{in_container}/") == {"x": f"row {in_container}".encode()}


def test_a_jobs_own_command_may_change_the_files_of_its_channels(
    processing: Processing,
) -> None:
    jobs = processing.jobs
    jobs.s3.put_object(Bucket=jobs.bucket, Key="shell/run.sh", Body=b"echo from the channel")
    place = "/opt/ml/input/data/code/run.sh"
    algorithm = {
        "TrainingImage": BASE_IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/sh"],
        "ContainerArguments": ["-c", f"chmod +x {place} && {place}"],
    }
    channels = [jobs.channel("code", "shell/")]
    job = jobs.wait(name := jobs.start(AlgorithmSpecification=algorithm, InputDataConfig=channels))
    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), jobs.log(name))
    assert jobs.log(name) == ["from the channel"]


def test_an_image_that_the_engine_lacks_says_what_to_do(processing: Processing) -> None:
    request = processing.request("")
    request["AppSpecification"]["ImageUri"] = ABSENT_IMAGE
    processing.create(request)
    job = processing.wait(request["ProcessingJobName"])
    assert job["FailureReason"].startswith("ClientError: Cannot pull algorithm container. ")
    assert f"docker pull {ABSENT_IMAGE}" in job["FailureReason"]


CALLS = """
import datetime, hashlib, hmac, os, sys, urllib.error, urllib.request
def sign(key, text):
    return hmac.new(key, text.encode(), "sha256").digest()
time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION")
key_id, secret, token, region = (os.environ[name] for name in names)
scope = "/".join((time[:8], region, "sts", "aws4_request"))
host, body = "sts." + region + ".amazonaws.com", b"Action=GetCallerIdentity&Version=2011-06-15"
headers = {"host": host, "x-amz-date": time, "x-amz-security-token": token}
signed = ";".join(headers)
lines = [name + ":" + value for name, value in headers.items()]
request = ["POST", "/", "", *lines, "", signed, hashlib.sha256(body).hexdigest()]
digest = hashlib.sha256("\\n".join(request).encode()).hexdigest()
key = ("AWS4" + secret).encode()
for part in scope.split("/"):
    key = sign(key, part)
signature = sign(key, "\\n".join(("AWS4-HMAC-SHA256", time, scope, digest))).hex()
credential = "Credential=" + key_id + "/" + scope
headers["Authorization"] = "AWS4-HMAC-SHA256 " + ", ".join(
    (credential, "SignedHeaders=" + signed, "Signature=" + signature)
)
def ask(url, **parts):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, **parts), timeout=60).read()
    except urllib.error.URLError as error:
        return str(error).encode()
print(ask("https://" + host, data=body, headers=headers).decode())
print(ask("https://" + host, data=body).decode())
print(ask("https://example.com").decode())
print(ask(os.environ["HTTPS_PROXY"]).decode())
"""


@pytest.mark.parametrize("hosts", [1, 2])
def test_a_program_in_a_container_calls_aws_as_the_role_of_its_job(
    hosts: int, processing: Processing
) -> None:
    """It is told the proxy, its authority and a key; two hosts have a network of their own."""
    jobs = processing.jobs
    jobs.s3.put_object(Bucket=jobs.bucket, Key="calls/run.py", Body=CALLS.encode())
    request = processing.request(
        f"exec(open('{IN}/code/run.py').read())",
        ProcessingInputs=[processing.input("code", "calls/")],
    )
    request["AppSpecification"]["ImageUri"] = BASE_IMAGE
    request["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = hosts
    processing.create(request)
    job = processing.wait(request["ProcessingJobName"])
    log = processing.log(request["ProcessingJobName"])
    assert job["ProcessingJobStatus"] == "Completed", (job, log)
    role = jobs.role.rpartition("/")[2]
    assert sum(f":assumed-role/{role}/SageMaker" in line for line in log) == hosts, log
    assert log.count("HTTP Error 403: Refused") == 2 * hosts, "not signed; no host of AWS"
    assert sum("example.com is not a host of AWS" in line for line in log) == hosts, log


def test_who_is_on_no_network_of_a_job_is_not_answered_at_the_bridge(
    processing: Processing,
) -> None:
    request = processing.request("import os; print(os.environ['HTTPS_PROXY'])")
    request["AppSpecification"]["ImageUri"] = BASE_IMAGE
    processing.create(request)
    processing.wait(request["ProcessingJobName"])
    (line,) = processing.log(request["ProcessingJobName"])
    address, port = line.removeprefix("http://").split(":")
    with socket.create_connection((address, int(port)), 60, ("127.0.0.1", 0)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
