"""One training on several hosts: here processes of one machine, each with an /opt/ml of its own."""

import contextlib
import json
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from container import contract
from local_aws.tests.waiting import wait_for

import pytest
import xgboost as xgb
from conftest import RunJob
from program import ENVIRONMENT
from trees import likeness

MakeHosts = Callable[..., "Hosts"]

NO_SAMPLING = {"subsample": "1", "colsample_bytree": "1", "num_round": "40", "eta": "0.3"}
SUMMED_IN_ANOTHER_ORDER = 1e-5  # of a leaf, in log odds
# Of AUC and log loss: five standard deviations of other seeds ("Hosts", benchmarks/README.md).
AS_ANOTHER_SEED = 0.005
LONG = {"num_round": "10000", "early_stopping_rounds": "1000", "eta": "0.0001"}
LOST = "the connection to another host is lost"
GRACE_SECONDS = 10  # of a failed job, for its hosts to end by themselves


class Hosts:
    """Processes that think they are instances of one job, by their ranks."""

    def __init__(self, template: Path, count: int, hyperparameters: dict[str, str]) -> None:
        self.ranks = range(count)
        self.roots = [template.with_name(f"host-{rank}") for rank in self.ranks]
        for rank, root in enumerate(self.roots):
            subprocess.run(["cp", "-r", template, root], check=True)
            self.configure(rank, "hyperparameters", hyperparameters)
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.name()

    def name(self) -> None:
        """Give rank 0 an address of its own, so that no job finds the port in use."""
        first = f"127.{random.randrange(1, 255)}.{random.randrange(255)}.{random.randrange(1, 255)}"
        self.names = [first, *(f"algo-{rank + 1}" for rank in self.ranks[1:])]
        for rank, name in enumerate(self.names):
            self.configure(rank, "resourceconfig", {"hosts": self.names, "current_host": name})

    def configure(self, rank: int, file: str, content: object) -> None:
        path = self.roots[rank] / "input" / "config" / f"{file}.json"
        path.write_text(json.dumps(content), encoding="utf-8")

    def file(self, rank: int, channel: str) -> Path:
        return self.roots[rank] / "input" / "data" / channel / f"{channel}.csv"

    def shard(self, train: Sequence[int], validation: Sequence[int]) -> None:
        """Give each host so many rows of the channels, in turn."""
        for channel, sizes in (("train", train), ("validation", validation)):
            begin = 0
            for rank, size in enumerate(sizes):
                path = self.file(rank, channel)
                header, *lines = path.read_text(encoding="utf-8").splitlines()
                path.write_text("\n".join([header, *lines[begin : begin + size]]), encoding="utf-8")
                if not size:
                    path.unlink()
                begin += size
        config = {"S3DistributionType": "ShardedByS3Key"}
        for rank in self.ranks:
            self.configure(rank, "inputdataconfig", {"train": config, "validation": config})

    def start(self, *ranks: int) -> None:
        """Start these hosts, or all."""
        for rank in ranks or self.ranks:
            own = {"SAGEMAKER_BASE_DIR": str(self.roots[rank])}
            with self.roots[rank].with_suffix(".log").open("wb") as log:
                self.processes[rank] = subprocess.Popen(
                    [sys.executable, "-m", "container", "train"],
                    env=ENVIRONMENT | own,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )

    def wait(self) -> list[int]:
        """Return the exit codes. As on SageMaker, a host that fails is the end of the others."""
        processes = [self.processes[rank] for rank in self.ranks]
        wait_for(lambda: any(codes := [each.poll() for each in processes]) or None not in codes)
        with contextlib.suppress(subprocess.TimeoutExpired):
            for process in processes:
                process.wait(GRACE_SECONDS)
        self.end()
        return [process.returncode for process in processes]

    def run(self) -> list[str]:
        """Return the log of each host of a job that succeeds."""
        self.name()
        self.start()
        codes, logs = self.wait(), [self.log(rank) for rank in self.ranks]
        assert set(codes) == {0}, "\n".join(logs)
        return logs

    def log(self, rank: int) -> str:
        return self.roots[rank].with_suffix(".log").read_text(encoding="utf-8")

    def wait_for_log(self, rank: int, text: str) -> None:
        wait_for(lambda: text in self.log(rank))

    def failure(self, rank: int) -> str:
        return (self.roots[rank] / "output" / "failure").read_text(encoding="utf-8")

    def model(self) -> Path:
        return self.roots[0] / "model"

    def end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def make_hosts(opt_ml: Path) -> Iterator[MakeHosts]:
    """Make so many of them, with these hyperparameters, and end them."""
    made: list[Hosts] = []

    def make(count: int, **hyperparameters: str) -> Hosts:
        made.append(Hosts(opt_ml, count, hyperparameters))
        return made[-1]

    yield make
    for hosts in made:
        hosts.end()


def booster_of(model: Path) -> xgb.Booster:
    return xgb.Booster(model_file=model / contract.MODEL_FILE)


def metrics_of(model: Path) -> dict[str, float]:
    return dict(json.loads((model / contract.METRICS_FILE).read_text(encoding="utf-8")))


def assert_trees_of_one_host(hosts: Hosts, opt_ml: Path, run_job: RunJob) -> None:
    """Splits are the same, and leaves as far as sums in another order give them."""
    arguments = [each for name, value in NO_SAMPLING.items() for each in (f"--{name}", value)]
    assert run_job(opt_ml, "train", *arguments).returncode == 0
    same, trees, leaves = likeness(booster_of(opt_ml / "model"), booster_of(hosts.model()))
    assert same == trees == int(NO_SAMPLING["num_round"])
    assert leaves < SUMMED_IN_ANOTHER_ORDER
    alone, together = metrics_of(opt_ml / "model"), metrics_of(hosts.model())
    assert together["validation_rows"] == alone["validation_rows"]
    for name in contract.METRICS:
        assert together[name] == pytest.approx(alone[name], abs=1e-4)


@pytest.mark.parametrize("count", [2, 4])
def test_without_sampling_the_trees_are_those_of_one_host(
    count: int, opt_ml: Path, run_job: RunJob, make_hosts: MakeHosts
) -> None:
    hosts = make_hosts(count, **NO_SAMPLING)
    logs = hosts.run()
    assert_trees_of_one_host(hosts, opt_ml, run_job)
    assert len({re.findall("model sha256 ([0-9a-f]{64})", log)[0] for log in logs}) == 1
    for rank, log in enumerate(logs):
        assert log.count("metric validation:auc=") == (rank == 0), "once, by rank 0"
        assert "warning" not in log.lower()
        assert (hosts.roots[rank] / "model" / contract.MODEL_FILE).exists() == (rank == 0)


def test_with_default_hyperparameters_the_quality_is_that_of_one_host(
    opt_ml: Path, run_job: RunJob, make_hosts: MakeHosts
) -> None:
    hosts = make_hosts(4)
    hosts.run()
    assert run_job(opt_ml).returncode == 0
    alone, together = metrics_of(opt_ml / "model"), metrics_of(hosts.model())
    for name in ("auc", "log_loss"):
        assert together[name] == pytest.approx(alone[name], abs=AS_ANOTHER_SEED)
    same = likeness(booster_of(opt_ml / "model"), booster_of(hosts.model())).same
    assert same < 100, "each host draws of its own rows"


def test_shards_of_unequal_size_are_one_data_set(
    opt_ml: Path, run_job: RunJob, make_hosts: MakeHosts
) -> None:
    """Nothing that a host does for a chunk may wait for the others: here 1, 3 and 1 chunks."""
    path = opt_ml / "input" / "data" / "validation" / "validation.csv"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, *lines * 600]), encoding="utf-8")
    rows = 600 * len(lines)
    assert path.stat().st_size > 9 * 2**20
    hosts = make_hosts(3, **NO_SAMPLING)
    hosts.shard(train=[17, 1000, 30], validation=[300, rows - 300 - 1, 1])
    hosts.run()
    assert_trees_of_one_host(hosts, opt_ml, run_job)


def test_hosts_cross_validate_together_and_the_first_one_says_the_result(
    make_hosts: MakeHosts,
) -> None:
    hosts = make_hosts(2, num_round="5", cv_folds="3")
    for rank, log in enumerate(hosts.run()):
        assert log.count("metric cross_validation:auc=") == (rank == 0)
        assert (hosts.roots[rank] / "output" / "data").exists() == (rank == 0)


def test_hosts_that_start_late_are_waited_for_in_silence(make_hosts: MakeHosts) -> None:
    """Some come before rank 0 has its tracker, others after it."""
    hosts = make_hosts(3, num_round="5")
    for rank in (2, 0, 1):
        time.sleep(2 * bool(hosts.processes))
        hosts.start(rank)
    assert set(hosts.wait()) == {0}
    for rank in hosts.ranks:
        before, _, after = hosts.log(rank).partition(f"hosts: {', '.join(hosts.names)}; this is ")
        assert after.startswith(f"{hosts.names[rank]}, rank {rank}\n")
        assert all("hyperparameter" in line or "got rank" in line for line in before.splitlines())
        assert "warn" not in hosts.log(rank).lower()


@pytest.mark.parametrize("lost", [0, 1])
def test_when_a_host_is_killed_the_others_say_so_and_leave_no_model(
    lost: int, make_hosts: MakeHosts
) -> None:
    """XGBoost may leave all of them waiting, one time in twenty: then another try must do."""
    hosts = make_hosts(3, **LONG)
    told: list[int] = []
    for _ in range(5):
        hosts.start()
        hosts.wait_for_log(0, "[50]")
        hosts.processes[lost].kill()
        codes = hosts.wait()
        assert not hosts.model().exists()
        if told := [rank for rank, code in enumerate(codes) if code == 1]:
            break
        hosts.name()
    assert told
    for rank in told:
        first_line, hint = hosts.failure(rank).splitlines()
        assert first_line.startswith(f"{hosts.names[rank]}: {LOST}: ")
        assert hint == "hint: see the logs of the other hosts: the first that failed says why"
        assert "Traceback" not in hosts.log(rank)


def test_a_host_that_fails_says_why_and_no_model_is_left(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(3)
    path = hosts.file(2, "train")
    path.write_text(path.read_text().replace(",fare,", ",price,", 1))
    hosts.start()
    codes = hosts.wait()
    assert codes[2] == 1
    assert 0 not in codes
    assert hosts.failure(2).startswith(f"{path}: missing columns: fare\nhint: ")
    assert not hosts.model().exists()


def test_a_class_may_be_missing_on_a_host_but_not_on_all(
    opt_ml: Path, make_hosts: MakeHosts
) -> None:
    path = opt_ml / "input" / "data" / "train" / "train.csv"
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *sorted(lines)]))
    hosts = make_hosts(2, num_round="5")
    hosts.shard(train=[300, 747], validation=[131, 131])
    hosts.run()
    for rank in hosts.ranks:
        hosts.file(rank, "train").write_text("\n".join([header, *sorted(lines)[:300]]))
    hosts.name()
    hosts.start()
    assert set(hosts.wait()) == {1}
    for rank in hosts.ranks:
        assert hosts.failure(rank).startswith("channel train: every row has the same label")


def test_an_interrupted_job_of_several_hosts_goes_on_from_the_checkpoint_of_rank_0(
    opt_ml: Path, make_hosts: MakeHosts
) -> None:
    (opt_ml / "checkpoints").mkdir()
    hosts = make_hosts(2, **LONG | {"num_round": "600", "eta": "0.001"})
    hosts.run()
    whole = (hosts.model() / contract.MODEL_FILE).read_bytes()
    (hosts.model() / contract.MODEL_FILE).unlink()
    hosts.name()
    hosts.start()
    hosts.wait_for_log(0, "[50]")
    for process in hosts.processes.values():
        process.send_signal(signal.SIGTERM)
    codes = set(hosts.wait())
    assert 143 in codes
    assert codes <= {143, 1, -signal.SIGKILL}
    for log in hosts.run():
        assert re.search(r"checkpoint: goes on after round \d+", log)
    assert (hosts.model() / contract.MODEL_FILE).read_bytes() == whole
    assert not list((hosts.roots[0] / "checkpoints").iterdir())
