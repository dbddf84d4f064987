"""Training on more rows than are held: the same model, in memory that does not grow with them."""

import gzip
import re
import resource
import subprocess
import sys
from pathlib import Path

from container import contract
from container.batches import SMALL_BYTES
from container.datasets import SAMPLE_ROWS, Table, datasets
from container.features import Features
from container.passengers import NUMBERS, TEXTS, Passengers, read_passengers
from container.resources import Memory
from container.spool import Spool
from container.spooled import SpooledRows
from container.train import fit

import arro3.core as arrow
import arro3.io
import numpy as np
import pytest
import xgboost as xgb
from conftest import ROOT, RunJob

HYPERPARAMETERS = contract.parse_hyperparameters({"num_round": 20})
TRAIN = Path("input/data/train/train.csv")


def repeat_training_rows(root: Path, copies: int) -> Path:
    """Makes a large file of it, which is read in blocks."""
    header, *lines = (root / TRAIN).read_text(encoding="utf-8").splitlines()
    (root / TRAIN).write_text("\n".join([header, *lines * copies]), encoding="utf-8")
    return root / TRAIN


def store(root: Path, form: str, content: bytes) -> None:
    """The training rows of a CSV file in another form, in the same order."""
    path = root / TRAIN
    header, *lines = content.decode().splitlines()
    for old in path.parent.iterdir():
        old.unlink()
    match form:
        case "gzip":
            (path.parent / "train.csv.gz").write_bytes(gzip.compress(content, 1))
        case "many small files":
            for start in range(0, len(lines), 5000):
                part = "\n".join([header, *lines[start : start + 5000]])
                assert len(part) < SMALL_BYTES
                (path.parent / f"{start:06}.csv").write_text(part, encoding="utf-8")
        case "two large files":
            for name, half in (("a", lines[:20_000]), ("b", lines[20_000:])):
                text = "\n".join([header, *half])
                assert len(text) > SMALL_BYTES
                (path.parent / f"{name}.csv").write_text(text, encoding="utf-8")
        case "parquet":
            rows = read_passengers(content, "train", labelled=True)
            columns = {
                name: arrow.Array([None if n != n else n for n in rows.numbers[name]], FLOAT)
                for name in NUMBERS
            } | {name: arrow.Array(rows.texts[name], arrow.DataType.string()) for name in TEXTS}
            columns["survived"] = arrow.Array(rows.labels, arrow.DataType.int64())
            batch = arrow.RecordBatch.from_pydict({**columns})
            arro3.io.write_parquet(batch, path.with_suffix(".parquet"), max_row_group_size=7000)


FLOAT = arrow.DataType.float64()


def model_of(root: Path, run_job: RunJob) -> bytes:
    (root / "input/config/hyperparameters.json").write_text('{"num_round": "5"}')
    job = run_job(root)
    assert job.returncode == 0, job.stderr
    return (root / "model" / contract.MODEL_FILE).read_bytes()


def test_the_model_is_the_same_however_the_rows_are_stored(opt_ml: Path, run_job: RunJob) -> None:
    repeat_training_rows(opt_ml, 40)
    whole = model_of(opt_ml, run_job)
    content = (opt_ml / TRAIN).read_bytes()
    for form in ("gzip", "many small files", "two large files", "parquet"):
        store(opt_ml, form, content)
        assert model_of(opt_ml, run_job) == whole, form


def test_batches_give_the_model_of_rows_that_are_together(passengers: Passengers) -> None:
    whole = fit(passengers, passengers, HYPERPARAMETERS)
    parts = [passengers.take(list(range(n, min(n + 100, 1309)))) for n in range(0, 1309, 100)]
    batched = fit(parts, parts, HYPERPARAMETERS)
    assert batched.booster.save_raw() == whole.booster.save_raw()
    assert batched.features.names == whole.features.names
    np.testing.assert_array_equal(batched.score(passengers), whole.score(passengers))


def test_the_rows_that_the_regression_walks_again_and_again_are_all_of_them_while_they_are_few(
    passengers: Passengers,
) -> None:
    strangers = passengers.take([*range(len(passengers))] * 4)  # more than a page
    for name in ("ticket", "name"):
        strangers.texts[name][:] = [""] * len(strangers)
    with SpooledRows(strangers, learning=True) as spooled:
        features = Features.from_statistics(spooled.statistics)
        sample = [*spooled.sample(features)]
    assert len(sample) > 1
    whole = features.training_rows(strangers)
    for name in ("matrix", "labels", "weights"):
        together = np.concatenate([getattr(part, name) for part in sample])
        np.testing.assert_array_equal(together, getattr(whole, name), err_msg=name)


def table(rows: int, seed: int) -> Table:
    random = np.random.default_rng(seed)
    spool = Spool(8)
    for start in range(0, rows, 10_000):
        x = random.normal(size=(min(10_000, rows - start), 8)).astype(np.float32)
        x[::7, 3] = np.nan
        spool.append(x, (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(np.float32))
    return Table(spool, lambda rows, labels: {"data": rows, "label": labels}, 8)


def trained(train: Table, validation: Table, limit: Memory) -> xgb.Booster:
    with datasets(train, validation, limit) as data:
        params = {"objective": "binary:logistic", "tree_method": "hist", "subsample": 0.8}
        return xgb.train(
            params, data["train"], 5, evals=[(data["validation"], "rows")], verbose_eval=False
        )


def test_data_on_disk_give_the_model_of_data_in_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """With a sample for the ends of bins, and more than one page."""
    train, validation = table(3 * SAMPLE_ROWS, 1), table(20_000, 2)
    in_memory = trained(train, validation, Memory(10_000, "test"))
    assert "on disk" not in capsys.readouterr().out
    on_disk = trained(train, validation, Memory(100, "test"))
    assert "the limit is 100 MiB (test)" in capsys.readouterr().out
    assert on_disk.save_raw() == in_memory.save_raw()


def test_a_sample_costs_no_quality() -> None:
    """The loss is that of bins from all rows, but for what any two samples differ in."""
    train, validation = table(3 * SAMPLE_ROWS, 1), table(20_000, 2)
    x, y = next(validation.spool.pages(20_000))
    sampled = trained(train, validation, Memory(10_000, "test"))
    rows = zip(*train.spool.pages(10_000), strict=True)
    matrix = xgb.QuantileDMatrix(*map(np.concatenate, rows))
    params = {"objective": "binary:logistic", "tree_method": "hist", "subsample": 0.8}
    full = xgb.train(params, matrix, 5)
    losses = [
        -np.mean(np.log(np.where(y == 1, p, 1 - p)))
        for p in (booster.inplace_predict(x) for booster in (sampled, full))
    ]
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)


def test_a_spool_gives_back_what_was_written_in_pages_of_any_size() -> None:
    random = np.random.default_rng(5)
    rows, labels = random.normal(size=(1001, 3)).astype(np.float32), np.arange(1001) % 2
    with Spool(3) as spool:
        for start in range(0, 1001, 100):
            part = slice(start, start + 100)
            spool.append(rows[part], labels[part].astype(np.float32))
        for most in (1000, 7, 1001, 5000):
            pages = [(page.copy(), y.copy()) for page, y in spool.pages(most)]
            assert max(len(page) for page, _ in pages) == min(most, 1001)
            np.testing.assert_array_equal(np.concatenate([page for page, _ in pages]), rows)
            np.testing.assert_array_equal(np.concatenate([y for _, y in pages]), labels)


WALK = """
import sys
from pathlib import Path
from container.spooled import SpooledRows
from container.channel import Channel
from container.opt_ml import OptMl
from container.resources import peak_memory_mib
with SpooledRows(Channel.of_job(OptMl(Path(sys.argv[1])), "train"), learning=True):
    print(peak_memory_mib())
"""


def test_memory_does_not_grow_with_the_rows_that_are_read(opt_ml: Path) -> None:
    peaks = []
    for copies in (60, 4):
        repeat_training_rows(opt_ml, copies)
        command = [sys.executable, "-c", WALK, str(opt_ml)]
        peaks.append(int(subprocess.check_output(command, cwd=ROOT, text=True).split()[-1]))
    size = (opt_ml / TRAIN).stat().st_size / 2**20
    assert size > 15
    assert peaks[1] - peaks[0] < 20, peaks


def test_a_full_disk_is_named(opt_ml: Path, run_job: RunJob) -> None:
    """As far as a process can make one: no file may become longer than this."""
    repeat_training_rows(opt_ml, 150)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limits[1]))
    try:
        job = run_job(opt_ml)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert job.returncode == 1
    first, second = (opt_ml / "output" / "failure").read_text(encoding="utf-8").splitlines()
    assert re.match(r"/.*: [0-9]+ rows are written, the next are not: File too large", first)
    assert second.startswith("hint: train with a larger volume")
    assert not list(opt_ml.glob("model/*"))
