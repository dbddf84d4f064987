"""One training on several hosts: here processes of one machine, each with an /opt/ml of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from container import contract
from container.cluster import SINGLE_HOST

import pytest
import xgboost as xgb
from conftest import ROOT, RunJob
from trees import likeness

MakeHosts = Callable[..., "Hosts"]

FIRST = "127.0.0.1"  # its name, by which the others find it
NO_SAMPLING = {"subsample": "1", "colsample_bytree": "1", "num_round": "40", "eta": "0.3"}
SUMMED_IN_ANOTHER_ORDER = 1e-5  # of a leaf, in log odds
# Of AUC and log loss: five standard deviations of other seeds ("Hosts", benchmarks/README.md).
AS_ANOTHER_SEED = 0.005
LONG = {"num_round": "10000", "early_stopping_rounds": "1000", "eta": "0.0001"}
LOST_SECONDS = 15  # for the others to end; on one machine it takes about one


class Hosts:
    """Processes that think they are instances of one job."""

    def __init__(self, template: Path, count: int, hyperparameters: dict[str, str]) -> None:
        self.names = [FIRST, *(f"algo-{n}" for n in range(2, count + 1))]
        self.roots = {name: template.with_name(name) for name in self.names}
        for name, root in self.roots.items():
            subprocess.run(["cp", "-r", template, root], check=True)
            self.configure(name, "resourceconfig", {"hosts": self.names, "current_host": name})
            self.configure(name, "hyperparameters", hyperparameters)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def configure(self, name: str, file: str, content: object) -> None:
        path = self.roots[name] / "input" / "config" / f"{file}.json"
        path.write_text(json.dumps(content), encoding="utf-8")

    def file(self, name: str, channel: str) -> Path:
        return self.roots[name] / "input" / "data" / channel / f"{channel}.csv"

    def shard(self, train: Sequence[int], validation: Sequence[int]) -> None:
        """Give each host so many rows of the channels, in turn."""
        for channel, sizes in (("train", train), ("validation", validation)):
            begin = 0
            for name, size in zip(self.names, sizes, strict=True):
                path = self.file(name, channel)
                header, *lines = path.read_text(encoding="utf-8").splitlines()
                path.write_text("\n".join([header, *lines[begin : begin + size]]), encoding="utf-8")
                if not size:
                    path.unlink()
                begin += size
        config = {"S3DistributionType": "ShardedByS3Key"}
        for name in self.names:
            self.configure(name, "inputdataconfig", {"train": config, "validation": config})

    def start(self, *names: str) -> None:
        """Start these hosts, or all."""
        for name in names or self.names:
            environment = {"SAGEMAKER_BASE_DIR": str(self.roots[name]), "OMP_NUM_THREADS": "1"}
            with self.roots[name].with_suffix(".log").open("wb") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "container", "train"],
                    env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), **environment},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )

    def wait(self) -> dict[str, int]:
        return {name: process.wait(90) for name, process in self.processes.items()}

    def run(self) -> dict[str, str]:
        """Return the log of each host of a job that succeeds."""
        self.start()
        codes = self.wait()
        logs = {name: self.log(name) for name in self.names}
        assert set(codes.values()) == {0}, "\n".join(logs.values())
        return logs

    def log(self, name: str) -> str:
        return self.roots[name].with_suffix(".log").read_text(encoding="utf-8")

    def wait_for_log(self, name: str, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.log(name):
            assert time.monotonic() < deadline, self.log(name)
            time.sleep(0.05)

    def failure(self, name: str) -> str:
        return (self.roots[name] / "output" / "failure").read_text(encoding="utf-8")

    def model(self) -> Path:
        return self.roots[FIRST] / "model"

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
    digests = {re.findall("model sha256 ([0-9a-f]{64})", log)[0] for log in logs.values()}
    assert len(digests) == 1
    for name, log in logs.items():
        assert log.count("metric validation:auc=") == (name == FIRST), "once, by rank 0"
        assert "warning" not in log.lower()
        assert (hosts.roots[name] / "model" / contract.MODEL_FILE).exists() == (name == FIRST)


@pytest.mark.parametrize("count", [2, 4])
def test_with_default_hyperparameters_the_quality_is_that_of_one_host(
    count: int, opt_ml: Path, run_job: RunJob, make_hosts: MakeHosts
) -> None:
    hosts = make_hosts(count)
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
    hosts = make_hosts(3, **NO_SAMPLING)
    hosts.shard(train=[17, 1000, 30], validation=[200, 1, 61])
    hosts.run()
    assert_trees_of_one_host(hosts, opt_ml, run_job)


def test_hosts_may_score_more_chunks_than_others(
    opt_ml: Path, run_job: RunJob, make_hosts: MakeHosts
) -> None:
    """Nothing that a host does for a chunk may wait for the others: here 1, 4 and 1 chunks."""
    path = opt_ml / "input" / "data" / "validation" / "validation.csv"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, *lines * 600]), encoding="utf-8")
    rows = 600 * len(lines)
    assert path.stat().st_size > 12 * 2**20
    hosts = make_hosts(3, **NO_SAMPLING)
    hosts.shard(train=[347, 350, 350], validation=[300, rows - 301, 1])
    hosts.run()
    assert_trees_of_one_host(hosts, opt_ml, run_job)


@pytest.mark.parametrize("order", [[FIRST, "algo-2", "algo-3"], ["algo-3", FIRST, "algo-2"]])
def test_hosts_that_start_late_are_waited_for_in_silence(
    order: list[str], make_hosts: MakeHosts
) -> None:
    hosts = make_hosts(3, num_round="5")
    for name in order:
        hosts.start(name)
        time.sleep(5)
    assert set(hosts.wait().values()) == {0}
    for name in hosts.names:
        first_line, *_ = hosts.log(name).splitlines()
        assert first_line == f"hosts: {', '.join(hosts.names)}; this is {name}, rank " + str(
            hosts.names.index(name)
        )
        assert "warn" not in hosts.log(name).lower()


@pytest.mark.parametrize("lost", [FIRST, "algo-2"])
def test_when_a_host_is_killed_the_others_end_within_seconds(
    lost: str, make_hosts: MakeHosts
) -> None:
    hosts = make_hosts(3, **LONG)
    hosts.start()
    hosts.wait_for_log(FIRST, "[50]")
    hosts.processes[lost].kill()
    began = time.monotonic()
    codes = hosts.wait()
    assert time.monotonic() - began < LOST_SECONDS
    for name in set(hosts.names) - {lost}:
        assert codes[name] == 1
        first_line, hint = hosts.failure(name).splitlines()
        assert first_line.startswith(f"{name}: another host was lost: ")
        assert hint.startswith("hint: see the logs of the other hosts")
        assert "Traceback" not in hosts.log(name)
    assert not hosts.model().exists()


def test_a_host_that_fails_says_why_and_the_others_end(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(3)
    path = hosts.file("algo-3", "train")
    path.write_text(path.read_text().replace(",fare,", ",price,", 1))
    hosts.start()
    assert set(hosts.wait().values()) == {1}
    assert hosts.failure("algo-3").startswith(f"{path}: missing columns: fare\nhint: ")
    for name in (FIRST, "algo-2"):
        assert "another host was lost" in hosts.failure(name)


def test_a_host_without_rows_is_named(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(2)
    hosts.shard(train=[1047, 0], validation=[131, 131])
    hosts.start()
    assert set(hosts.wait().values()) == {1}
    assert hosts.failure("algo-2").startswith("channel train: no file for algo-2")
    assert "at least as many objects as instances" in hosts.failure("algo-2")


def test_a_class_may_be_missing_on_a_host_but_not_on_all(
    opt_ml: Path, make_hosts: MakeHosts
) -> None:
    path = opt_ml / "input" / "data" / "train" / "train.csv"
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *sorted(lines)]))
    hosts = make_hosts(2, num_round="5")
    hosts.shard(train=[300, 747], validation=[131, 131])
    hosts.run()
    for name in hosts.names:
        hosts.file(name, "train").write_text("\n".join([header, *sorted(lines)[:300]]))
    hosts.start()
    assert set(hosts.wait().values()) == {1}
    for name in hosts.names:
        assert hosts.failure(name).startswith("channel train: every row has the same label")


def test_an_interrupted_job_of_several_hosts_goes_on_from_the_checkpoint_of_rank_0(
    opt_ml: Path, make_hosts: MakeHosts
) -> None:
    (opt_ml / "checkpoints").mkdir()
    hosts = make_hosts(2, **LONG | {"num_round": "600", "eta": "0.001"})
    hosts.run()
    whole = (hosts.model() / contract.MODEL_FILE).read_bytes()
    (hosts.model() / contract.MODEL_FILE).unlink()
    hosts.start()
    hosts.wait_for_log(FIRST, "[50]")
    for process in hosts.processes.values():
        process.send_signal(signal.SIGTERM)
    codes = set(hosts.wait().values())
    assert 143 in codes
    assert codes <= {143, 1}
    logs = hosts.run()
    for log in logs.values():
        assert re.search(r"checkpoint: goes on after round \d+", log)
    assert (hosts.model() / contract.MODEL_FILE).read_bytes() == whole
    assert not list((hosts.roots[FIRST] / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        ({"hosts": "algo-1"}, "hosts is 'algo-1'"),
        ({"hosts": ["algo-1", 2]}, "hosts is ['algo-1', 2]"),
        (
            {"hosts": ["algo-1", "algo-2"], "current_host": "algo-3"},
            "current_host 'algo-3' is not one of algo-1, algo-2",
        ),
    ],
)
def test_hosts_that_cannot_be_are_one_line_and_a_hint(
    resources: dict[str, object], problem: str, opt_ml: Path, run_job: RunJob
) -> None:
    (opt_ml / "input" / "config" / "resourceconfig.json").write_text(json.dumps(resources))
    job = run_job(opt_ml)
    assert job.returncode == 1
    first, second = (opt_ml / "output" / "failure").read_text().splitlines()
    assert first == f"resourceconfig.json: {problem}"
    assert second.startswith("hint: ")


def test_one_host_exchanges_nothing() -> None:
    value = object()
    assert SINGLE_HOST.allgather(value) == [value]
    assert SINGLE_HOST.broadcast(value) is value
    assert SINGLE_HOST.is_rank_zero
