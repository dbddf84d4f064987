"""Training jobs in containers, asked for with boto3: several hosts, and what goes wrong.

Their image is small and made here: tests/host_program.py on the base image.
"""

import itertools
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_engine import (
    NEEDS_COMPOSE,
    NEEDS_ENGINE,
    Image,
    docker,
    leftovers,
)
from container_jobs import PROGRAM, Jobs, channel, end, image_archive

pytestmark = NEEDS_ENGINE


@pytest.fixture(scope="module")
def jobs(image: Image) -> Iterator[Jobs]:
    jobs = Jobs(image)
    yield jobs
    end(jobs)


@pytest.fixture(scope="module")
def program(jobs: Jobs, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of the image of tests/host_program.py."""
    return jobs.push(PROGRAM, tmp_path_factory.mktemp("program"), "program")


def test_hosts_hear_each_other_by_name_and_have_their_data(jobs: Jobs, program: str) -> None:
    uri = f"s3://{jobs.stack.bucket}/hosts/data/"
    for name in "abcde":
        key = f"hosts/data/{name}"
        jobs.clients.client("s3").put_object(Bucket=jobs.stack.bucket, Key=key, Body=b"")
    name = jobs.start(
        program,
        instance_count=3,
        InputDataConfig=[
            channel("all", uri, "FullyReplicated"),
            channel("part", uri, "ShardedByS3Key"),
        ],
    )
    job = jobs.wait(name)
    assert job.get("FailureReason") is None
    assert job["TrainingJobStatus"] == "Completed"
    model = job["ModelArtifacts"]["S3ModelArtifacts"]
    files = jobs.terminal.archive(model)
    hosts = ["algo-1", "algo-2", "algo-3"]
    assert sorted(files) == [f"{host}.json" for host in hosts]
    assert jobs.terminal.archive(model.replace("model.tar.gz", "output.tar.gz")) == files
    parts = []
    for host in hosts:
        seen = json.loads(files[f"{host}.json"])
        assert seen["resources"]["current_host"] == host
        assert seen["resources"]["hosts"] == hosts
        assert seen["resources"]["instance_groups"][0]["hosts"] == hosts
        assert seen["heard"] == {peer: f"{peer} speaking" for peer in hosts if peer != host}
        assert seen["channels"]["all"] == list("abcde")
        parts.append(seen["channels"]["part"])
    assert sorted(map(len, parts)) == [1, 2, 2]
    assert sorted(itertools.chain(*parts)) == list("abcde")
    assert {host: lines[0] for host, lines in jobs.logs(name).items()} == {
        host: f"{host}: {{}}" for host in hosts
    }
    assert leftovers() == []


def test_the_first_host_that_fails_ends_others_that_hang_and_gives_the_reason(
    jobs: Jobs, program: str
) -> None:
    name = jobs.start(program, instance_count=2, HyperParameters={"do": "fail algo-2"})
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: algo-2 fails on request, exit code: 3"
    assert "ModelArtifacts" not in job
    assert sorted(jobs.logs(name)) == ["algo-1", "algo-2"]
    assert leftovers() == []


@pytest.mark.parametrize("isolated", [True, False])
def test_a_stop_reaches_every_host(isolated: bool, jobs: Jobs, program: str) -> None:
    name = jobs.start(
        program,
        instance_count=2,
        HyperParameters={"do": "wait"},
        EnableNetworkIsolation=isolated,
    )
    jobs.wait_for_log(name, "waiting", hosts=2)
    *containers, network = leftovers()
    assert len(containers) == 2
    assert json.loads(docker("network", "inspect", network))[0]["Internal"] == isolated
    jobs.clients.client("sagemaker").stop_training_job(TrainingJobName=name)
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert [lines[-1] for lines in jobs.logs(name).values()] == ["SIGTERM came"] * 2
    files = jobs.terminal.archive(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert sorted(files) == ["algo-1.json", "algo-2.json"], "what a stopped job has, it keeps"
    assert leftovers() == []


def test_the_longest_run_time_holds_for_every_host(jobs: Jobs, program: str) -> None:
    name = jobs.start(
        program,
        instance_count=2,
        HyperParameters={"do": "wait"},
        StoppingCondition={"MaxRuntimeInSeconds": 5},
    )
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert [lines[-1] for lines in jobs.logs(name).values()] == ["SIGTERM came"] * 2
    assert leftovers() == []


def test_a_program_that_needs_more_memory_than_its_instance_has(jobs: Jobs, program: str) -> None:
    """ml.t3.medium has 4 GiB."""
    available = next(
        int(line.split()[1])
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemAvailable:")
    )
    if available < 6 * 2**20:  # KiB
        pytest.skip("less than 6 GiB of memory are free")
    job = jobs.wait(jobs.start(program, HyperParameters={"do": "eat 4400"}))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Please use an instance type with more mem")
    assert leftovers() == []


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            "ENTRYPOINT []",
            'exec: "train": executable file not found in $PATH, exit code: 127',
        ),
        (
            'ENTRYPOINT ["/nowhere"]',
            'exec: "/nowhere": stat /nowhere: no such file or directory, exit code: 127',
        ),
        (
            'ENTRYPOINT ["/etc/passwd"]',
            'exec: "/etc/passwd": permission denied, exit code: 126',
        ),
    ],
)
def test_an_image_that_cannot_be_started_says_why(
    lines: str, reason: str, jobs: Jobs, tmp_path: Path
) -> None:
    image = jobs.push(lines, tmp_path, f"start-{uuid.uuid4().hex[:8]}")
    job = jobs.wait(jobs.start(image, instance_count=2))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == f"AlgorithmError: {reason}"
    assert leftovers() == []


def test_an_image_of_another_architecture_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    path = tmp_path / "arm64.tar"
    path.write_bytes(image_archive(f"{jobs.repository_uri}:arm64", "arm64"))
    docker("load", f"--input={path}")
    job = jobs.wait(jobs.start(jobs.push_tagged("arm64")))
    assert job["FailureReason"].startswith("AlgorithmError: exec format error: ")
    assert "linux/arm64" in job["FailureReason"]
    assert leftovers() == []


@NEEDS_COMPOSE
def test_the_sdks_own_local_mode_gives_two_hosts_the_same_contract(
    image: Image, program: str, tmp_path: Path
) -> None:
    """What a program sees of its hosts there, in files that were not written here."""
    assert image.run("docker", "pull", "--quiet", program).returncode == 0
    model, status = image.local_mode(program, 2, {"do": "meet"}, tmp_path)
    assert status == "Succeeded"
    files = image.archive(model)
    hosts = {name.removesuffix(".json") for name in files}
    assert len(hosts) == 2
    for host in hosts:
        seen = json.loads(files[f"{host}.json"])
        assert seen["resources"]["current_host"] == host
        assert set(seen["resources"]["hosts"]) == hosts
        (peer,) = hosts - {host}
        assert seen["heard"] == {peer: f"{peer} speaking"}
        assert seen["channels"] == {"train": ["train.csv"], "validation": ["validation.csv"]}
