"""What more hosts do to the model: the same rows on 1, 2 and 4 of them, as a table in Markdown.

    .venv/bin/python benchmarks/hosts/same_model.py          the pipeline's own split of Titanic
    .venv/bin/python benchmarks/hosts/same_model.py FOLDER   channels, as of generate.py

The hosts are processes of this machine, each the image's program on an /opt/ml of its own, with the
hyperparameters of pipeline.yaml: as they are, with several seeds, and without sampling of rows and
columns. Each takes its share of the channels' rows. Trees are compared with those of one host.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from container import contract
from pipeline.data import prepare
from pipeline.settings import DEFAULT_CONFIG, load_settings

import xgboost as xgb
from trees import likeness

ROOT = Path(__file__).parent.parent.parent
NO_SAMPLING = {"subsample": 1, "colsample_bytree": 1}


def train(folder: Path, channels: Path, count: int, hyperparameters: Mapping[str, object]) -> Path:
    """Train on so many hosts, and return the artifact's folder."""
    # Rank 0's name, by which the others find it: the port of the job before is still in use.
    first = f"127.{random.randrange(1, 255)}.{random.randrange(255)}.{random.randrange(1, 255)}"
    hosts = [first, *(f"algo-{n}" for n in range(2, count + 1))]
    processes = []
    for host in hosts:
        root = folder / host
        config = root / "input" / "config"
        config.mkdir(parents=True)
        (root / "input" / "data").symlink_to(channels.resolve())
        given = {name: str(value) for name, value in hyperparameters.items()}
        (config / "hyperparameters.json").write_text(json.dumps(given))
        resources = {"hosts": hosts, "current_host": host}
        (config / "resourceconfig.json").write_text(json.dumps(resources))
        environment = {"SAGEMAKER_BASE_DIR": str(root), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "container", "train"]
        processes.append(
            subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
            )
        )
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit(f"the training on {count} hosts has failed")
    return folder / first / "model"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("channels", type=Path, nargs="?")
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seeds", type=int, default=6, help="of the sampling")
    given = parser.parse_args()
    settings = load_settings(DEFAULT_CONFIG)
    print("| sampling | hosts | AUC | log loss | same trees | leaves differ by at most |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        channels = given.channels
        if channels is None:
            channels = Path(name) / "channels"
            for channel, content in prepare(settings).channels.items():
                (channels / channel).mkdir(parents=True)
                (channels / channel / f"{channel}.csv").write_bytes(content)
        for sampling, changes, seeds in (("yes", {}, given.seeds), ("no", NO_SAMPLING, 1)):
            alone: xgb.Booster | None = None
            for count in given.hosts:
                models = [
                    train(
                        Path(name) / f"{sampling}-{count}-{seed}",
                        channels,
                        count,
                        {**settings.hyperparameters, **changes, "seed": seed},
                    )
                    for seed in range(seeds)
                ]
                found = [json.loads((m / contract.METRICS_FILE).read_text()) for m in models]
                cells = [spread([each[key] for each in found]) for key in ("auc", "log_loss")]
                booster = xgb.Booster(model_file=models[0] / contract.MODEL_FILE)
                alone = alone or booster
                same, trees, leaves = likeness(alone, booster)
                cells += [f"{same} of {trees}", f"{leaves:.0e}" if same else ""]
                print(f"| {sampling} | {count} | {' | '.join(cells)} |", flush=True)


def spread(values: Sequence[float]) -> str:
    """Return the mean, and the standard deviation if there are several values."""
    mean = f"{statistics.mean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean


if __name__ == "__main__":
    main()
