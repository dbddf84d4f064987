"""One training on several hosts: here processes of one machine, each with an /opt/ml of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from container import contract
from container.cluster import ALONE
from container.errors import InputError
from container.watch import PORT, HostLost, Watch

import numpy as np
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


class Hosts:
    """Processes that think they are instances of one job."""

    def __init__(self, template: Path, count: int) -> None:
        self.names = [FIRST, *(f"algo-{n}" for n in range(2, count + 1))]
        self.roots = {name: template.with_name(name) for name in self.names}
        for name, root in self.roots.items():
            subprocess.run(["cp", "-r", template, root], check=True)
            self._write(root, "resourceconfig.json", {"hosts": self.names, "current_host": name})
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def give(self, hyperparameters: Mapping[str, str]) -> None:
        for root in self.roots.values():
            self._write(root, "hyperparameters.json", hyperparameters)

    def shard(self, channel: str, sizes: Sequence[int]) -> None:
        """Gives each host so many of the channel's rows."""
        begin = 0
        for root, size in zip(self.roots.values(), sizes, strict=True):
            path = root / "input" / "data" / channel / f"{channel}.csv"
            header, *lines = path.read_text(encoding="utf-8").splitlines()
            path.write_text("\n".join([header, *lines[begin : begin + size]]), encoding="utf-8")
            if not size:
                path.unlink()
            begin += size
            config = root / "input" / "config" / "inputdataconfig.json"
            channels = json.loads(config.read_text()) if config.exists() else {}
            channels[channel] = {"S3DistributionType": "ShardedByS3Key"}
            config.write_text(json.dumps(channels))

    def start(self, *names: str) -> None:
        """These hosts, or all."""
        for name in names or self.names:
            with self.roots[name].with_suffix(".log").open("wb") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "container", "train"],
                    env={
                        "PATH": os.defpath,
                        "PYTHONPATH": str(ROOT),
                        "SAGEMAKER_BASE_DIR": str(self.roots[name]),
                        "OMP_NUM_THREADS": "1",
                        "CHECKPOINT_SECONDS": "0",
                    },
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )

    def wait(self) -> dict[str, int]:
        return {name: process.wait(90) for name, process in self.processes.items()}

    def run(self) -> dict[str, str]:
        """The log of each host of a job that succeeds."""
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

    def booster(self) -> xgb.Booster:
        return xgb.Booster(model_file=self.roots[FIRST] / "model" / contract.MODEL_FILE)

    def metrics(self) -> dict[str, float]:
        text = (self.roots[FIRST] / "model" / contract.METRICS_FILE).read_text(encoding="utf-8")
        return dict(json.loads(text))

    def end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    @staticmethod
    def _write(root: Path, name: str, content: object) -> None:
        (root / "input" / "config" / name).write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def make_hosts(opt_ml: Path) -> Iterator[MakeHosts]:
    """So many of them, with these hyperparameters; they are ended."""
    made: list[Hosts] = []

    def make(count: int, **hyperparameters: str) -> Hosts:
        made.append(Hosts(opt_ml, count))
        made[-1].give(hyperparameters)
        return made[-1]

    yield make
    for hosts in made:
        hosts.end()


def has_the_trees_of_one_host(hosts: Hosts, opt_ml: Path, run_job: RunJob) -> bool:
    """Splits are the same, and leaves as far as sums in another order give them."""
    Hosts._write(opt_ml, "hyperparameters.json", NO_SAMPLING)
    assert run_job(opt_ml).returncode == 0
    alone = xgb.Booster(model_file=opt_ml / "model" / contract.MODEL_FILE)
    same, trees, leaves = likeness(alone, hosts.booster())
    return same == trees == int(NO_SAMPLING["num_round"]) and leaves < SUMMED_IN_ANOTHER_ORDER


@pytest.mark.parametrize("count", [2, 4])
def test_without_sampling_the_trees_are_those_of_one_host(
    count: int, opt_ml: Path, run_job: RunJob, make_hosts: MakeHosts
) -> None:
    hosts = make_hosts(count, **NO_SAMPLING)
    logs = hosts.run()
    assert has_the_trees_of_one_host(hosts, opt_ml, run_job)
    metrics = json.loads((opt_ml / "model" / contract.METRICS_FILE).read_text())
    for name in contract.METRICS:
        assert hosts.metrics()[name] == pytest.approx(metrics[name], abs=1e-4)
    assert hosts.metrics()["validation_rows"] == 262
    digests = {re.findall("model sha256 ([0-9a-f]{64})", log)[0] for log in logs.values()}
    assert len(digests) == 1
    for name, log in logs.items():
        assert log.count("metric validation:auc=") == (name == FIRST), "once, by the first host"
        assert "WARNING" not in log
        assert (hosts.roots[name] / "model" / contract.MODEL_FILE).exists() == (name == FIRST)


@pytest.mark.parametrize("count", [2, 4])
def test_with_default_hyperparameters_the_quality_is_that_of_one_host(
    count: int, opt_ml: Path, run_job: RunJob, make_hosts: MakeHosts
) -> None:
    hosts = make_hosts(count)
    hosts.run()
    assert run_job(opt_ml).returncode == 0
    alone = json.loads((opt_ml / "model" / contract.METRICS_FILE).read_text())
    for name in ("auc", "log_loss"):
        assert hosts.metrics()[name] == pytest.approx(alone[name], abs=AS_ANOTHER_SEED)
    one, other = (
        xgb.Booster(model_file=root / "model" / contract.MODEL_FILE)
        for root in (opt_ml, hosts.roots[FIRST])
    )
    assert likeness(one, other).same < 100, "each host draws of its own rows"


def test_shards_of_unequal_size_are_one_data_set(
    opt_ml: Path, run_job: RunJob, make_hosts: MakeHosts
) -> None:
    hosts = make_hosts(3, **NO_SAMPLING)
    hosts.shard("train", [17, 1000, 30])
    hosts.shard("validation", [200, 1, 61])
    hosts.run()
    assert has_the_trees_of_one_host(hosts, opt_ml, run_job)
    assert hosts.metrics()["validation_rows"] == 262


def test_hosts_that_start_late_are_waited_for_in_silence(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(3, num_round="5")
    hosts.start("algo-3")
    time.sleep(1.5)
    hosts.start(FIRST)
    time.sleep(1.5)
    hosts.start("algo-2")
    assert set(hosts.wait().values()) == {0}
    for name in hosts.names:
        assert "arn" not in hosts.log(name).lower(), "no flood of warnings"


@pytest.mark.parametrize("lost", [FIRST, "algo-2"])
def test_a_host_that_is_killed_fails_the_others_which_name_it(
    lost: str, make_hosts: MakeHosts
) -> None:
    hosts = make_hosts(3, **LONG)
    hosts.start()
    hosts.wait_for_log(FIRST, "[50]")
    hosts.processes[lost].kill()
    codes = hosts.wait()
    for name in set(hosts.names) - {lost}:
        assert codes[name] == 1
        assert hosts.failure(name).startswith(f"{lost} has died\nhint: see the log of that host")
        assert "Traceback" not in hosts.log(name)
    assert not (hosts.roots[FIRST] / "model").exists()


@pytest.mark.parametrize("lost", [FIRST, "algo-2"])
def test_a_host_that_falls_silent_fails_the_others_which_name_it(
    lost: str, make_hosts: MakeHosts
) -> None:
    """Its connections stay open, as when its network is gone."""
    hosts = make_hosts(3, **LONG)
    hosts.start()
    hosts.wait_for_log(FIRST, "[50]")
    hosts.processes[lost].send_signal(signal.SIGSTOP)
    others = [name for name in hosts.names if name != lost]
    codes = [hosts.processes[name].wait(60) for name in others]
    assert codes == [1] * len(others)
    for name in others:
        assert hosts.failure(name).startswith(f"{lost} could not be heard for ")


def test_what_fails_one_host_is_said_by_all(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(3)
    path = hosts.roots["algo-3"] / "input" / "data" / "train" / "train.csv"
    path.write_text(path.read_text().replace(",fare,", ",price,", 1))
    hosts.start()
    assert set(hosts.wait().values()) == {1}
    assert hosts.failure("algo-3").startswith(f"{path}: missing columns: fare\n")
    for name in (FIRST, "algo-2"):
        assert hosts.failure(name).startswith(f"algo-3 has failed: {path}: missing columns: fare\n")


def test_a_host_without_rows_is_named(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(2)
    hosts.shard("train", [1047, 0])
    hosts.start()
    assert set(hosts.wait().values()) == {1}
    assert hosts.failure("algo-2").startswith("channel train: no file for algo-2")
    assert "at least as many objects as instances" in hosts.failure("algo-2")
    assert hosts.failure(FIRST).startswith("algo-2 has failed: channel train: no file for algo-2")


def test_a_class_may_be_missing_on_a_host_but_not_on_all(
    opt_ml: Path, make_hosts: MakeHosts
) -> None:
    path = opt_ml / "input" / "data" / "train" / "train.csv"
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *sorted(lines)]))
    hosts = make_hosts(2, num_round="5")
    hosts.shard("train", [300, 747])
    hosts.run()
    for root in hosts.roots.values():
        of_host = root / "input" / "data" / "train" / "train.csv"
        of_host.write_text("\n".join([header, *sorted(lines)[:300]]))
    hosts.start()
    assert set(hosts.wait().values()) == {1}
    for name in hosts.names:
        assert re.search("channel train: every row of .* has the same label", hosts.failure(name))


def test_an_interrupted_job_of_several_hosts_goes_on_from_the_first_hosts_checkpoint(
    opt_ml: Path, make_hosts: MakeHosts
) -> None:
    long = NO_SAMPLING | {"num_round": "600", "early_stopping_rounds": "1000", "eta": "0.001"}
    (opt_ml / "checkpoints").mkdir()
    hosts = make_hosts(2, **long | {"subsample": "0.5"})
    hosts.run()
    whole = hosts.booster().save_raw()
    (hosts.roots[FIRST] / "model" / contract.MODEL_FILE).unlink()
    hosts.start()
    hosts.wait_for_log(FIRST, "[50]")
    for process in hosts.processes.values():
        process.terminate()
    assert set(hosts.wait().values()) <= {143, 1}
    assert 143 in hosts.wait().values()
    logs = hosts.run()
    assert re.search(r"goes on after round \d+", logs[FIRST])
    assert hosts.booster().save_raw() == whole
    assert not list((hosts.roots[FIRST] / "checkpoints").iterdir())


def test_a_host_that_never_starts_is_named_by_those_that_wait() -> None:
    first, second = (Watch([FIRST, "algo-2", "algo-3"], name, 2.0) for name in (FIRST, "algo-2"))
    errors: dict[str, InputError] = {}

    def meet(name: str, watch: Watch) -> None:
        try:
            watch.meet(lambda _: {})
        except InputError as error:
            errors[name] = error

    threads = [threading.Thread(target=meet, args=item) for item in (("1", first), ("2", second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors["1"].args[0] == "algo-3: not started after 2 s"
    assert errors["2"].args[0] == "algo-3 did not start"
    with pytest.raises(InputError, match=r"127.0.0.1: not started after 0 s: .*refused"):
        Watch([FIRST, "algo-2"], "algo-2", 0.0).meet(lambda _: {})


def test_a_stranger_at_the_port_is_not_taken_for_a_host() -> None:
    first, second = (Watch([FIRST, "algo-2"], name, 20.0) for name in (FIRST, "algo-2"))
    offers: list[dict[str, object]] = []
    waiting = threading.Thread(target=lambda: offers.append(first.meet(lambda at: {"at": at})))
    waiting.start()
    for content in (b"GET / HTTP/1.1\n\n", b"{}\n", b""):
        deadline = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection((FIRST, PORT)) as stranger:
                    stranger.sendall(content)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
    assert second.meet(lambda _: {}) == {"at": FIRST}
    waiting.join()
    assert offers == [{"at": FIRST}]


def test_one_host_merges_nothing() -> None:
    value = np.arange(3)
    assert ALONE.merge(value)[0] is value
    assert ALONE.from_first(value) is value
    assert ALONE.leads


def test_a_lost_host_is_an_error_with_a_hint() -> None:
    assert str(HostLost("algo-2", "has died")) == (
        "algo-2 has died\nhint: see the log of that host; start the job again"
    )
