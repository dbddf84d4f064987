"""The training program on several hosts, and interrupted, in its image: containers on a network of
their own."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from container import contract
from local_aws.runners.docker import LABEL
from local_aws.tests.waiting import wait_for

import pytest
from container_engine import NEEDS_COMPOSE, NEEDS_ENGINE, Image, docker, leftovers
from container_jobs import Jobs, channel, end

pytestmark = NEEDS_ENGINE

LONG = {"num_round": "10000", "early_stopping_rounds": "1000", "eta": "0.0001", "max_depth": "8"}
SOME_SECONDS = {"early_stopping_rounds": "1000", "eta": "0.0001", "max_depth": "3"}
ROUNDS = {1: "9000", 2: "1500"}  # by hosts
SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 300},
}


class Trainings(Jobs):
    """Jobs of the project's own image on its own data."""

    def __init__(self, image: Image) -> None:
        super().__init__(image)
        self.image = image.uri
        uris = image.python("pipeline/data.py", "--config", "good.yaml").stdout.split()
        channels = (contract.TRAIN_CHANNEL, contract.VALIDATION_CHANNEL)
        self.uris = dict(zip(channels, uris, strict=True))

    def train(self, instance_count: int, hyperparameters: dict[str, str], **changes: Any) -> str:
        return self.start(
            self.image,
            instance_count,
            HyperParameters=hyperparameters,
            InputDataConfig=[
                channel(name, uri, "FullyReplicated") for name, uri in self.uris.items()
            ],
            Environment={"OMP_NUM_THREADS": "1"},
            **changes,
        )

    def spot(self, instance_count: int) -> str:
        return self.train(
            instance_count,
            SOME_SECONDS | {"num_round": ROUNDS[instance_count]},
            CheckpointConfig={"S3Uri": f"s3://{self.stack.bucket}/hosts/checkpoints"},
            **SPOT,
        )

    def checkpoints(self) -> list[str]:
        s3 = self.clients.client("s3")
        found = s3.list_objects_v2(Bucket=self.stack.bucket, Prefix="hosts/checkpoints/")
        return [item["Key"] for item in found.get("Contents", [])]

    def model(self, job: dict[str, Any]) -> bytes:
        return self.terminal.archive(job["ModelArtifacts"]["S3ModelArtifacts"])[contract.MODEL_FILE]

    def said(self, name: str, pattern: str) -> dict[str, list[str]]:
        """What each host's log has of it."""
        logs = {host: "\n".join(lines) for host, lines in self.logs(name).items()}
        return {host: re.findall(pattern, log) for host, log in logs.items()}


@pytest.fixture(scope="module")
def trainings(image: Image) -> Iterator[Trainings]:
    jobs = Trainings(image)
    yield jobs
    end(jobs)


def container_of(job: str, host: str) -> str:
    """Its ID."""
    running = docker("ps", "--quiet", "--filter", f"label={LABEL}={job}").split()
    (found,) = (c for c in running if docker("inspect", "-f", "{{.Config.Hostname}}", c) == host)
    return found


@pytest.mark.parametrize("count", [2, 4])
def test_containers_train_one_model_and_leave_one_artifact(
    count: int, trainings: Trainings
) -> None:
    name = trainings.train(count, {"num_round": "40"})
    job = trainings.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    digests = trainings.said(name, "model sha256 ([0-9a-f]{64})")
    assert len(digests) == count
    assert len({digest for (digest,) in digests.values()}) == 1
    metrics = trainings.said(name, r"metric validation:auc=(\S+)")
    assert [len(found) for _, found in sorted(metrics.items())] == [1] + [0] * (count - 1)
    assert float(metrics["algo-1"][0]) > 0.8
    artifact = trainings.terminal.archive(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert contract.MODEL_FILE in artifact
    assert trainings.said(name, "WARNING") == {host: [] for host in digests}
    assert leftovers() == []


def test_a_container_that_is_killed_fails_the_job(trainings: Trainings) -> None:
    name = trainings.train(4, LONG)
    wait_for(lambda: trainings.said(name, r"\[50\]").get("algo-1"))
    docker("kill", container_of(name, "algo-3"))
    job = trainings.wait(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: , exit code: 137"
    assert "ModelArtifacts" not in job
    assert leftovers() == []


@pytest.mark.parametrize(("count", "grace"), [(1, "0"), (1, "120"), (2, "20")])
def test_interrupted_containers_end_with_the_artifact_of_those_that_never_were(
    count: int, grace: str, trainings: Trainings
) -> None:
    hyperparameters = SOME_SECONDS | {"num_round": ROUNDS[count]}
    whole = trainings.wait(trainings.train(count, hyperparameters))
    name = trainings.spot(count)
    wait_for(trainings.checkpoints)
    interrupt = ("-m", "local_aws", "interrupt", name, "--grace", grace)
    done = trainings.terminal.run(sys.executable, *interrupt)
    assert done.returncode == 0, done.stderr
    job = trainings.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert "Interrupted" in [each["Status"] for each in job["SecondaryStatusTransitions"]]
    assert trainings.said(name, r"goes on after round (\d+)")["algo-1"]
    assert trainings.model(job) == trainings.model(whole)
    assert trainings.checkpoints() == []
    assert leftovers() == []


@NEEDS_COMPOSE
def test_the_sdks_own_local_mode_trains_on_two_hosts(image: Image, tmp_path: Path) -> None:
    assert image.run("docker", "pull", "--quiet", image.uri).returncode == 0
    model, status = image.local_mode(image.uri, 2, {"num_round": 40}, tmp_path)
    assert status == "Succeeded"
    assert contract.MODEL_FILE in image.archive(model)
