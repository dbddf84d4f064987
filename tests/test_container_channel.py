"""Channels: whatever files hold the rows, they are the same data."""

import gzip
import json
from pathlib import Path

from container.errors import InputError
from container.opt_ml import OptMl, is_hidden

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from small_program import channel, make_rows
from test_container_reading import HEADER, bytes_read, write_parquet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "input" / "data" / "train"
    folder.mkdir(parents=True)
    return folder


def read(folder: Path) -> pd.DataFrame:
    rows = channel.Channel.of_job(OptMl(folder.parents[2]), folder.name)
    first, second = (pd.concat(rows, ignore_index=True) for _ in range(2))
    assert_frame_equal(first, second)
    return first


def write(folder: Path, parts: dict[str, pd.DataFrame]) -> None:
    for name, part in parts.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if name.endswith(".parquet"):
            write_parquet(path, part)
        else:
            part.to_csv(path, index=False)


def test_files_of_any_form_are_one_data_set_in_the_order_of_their_names(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = make_rows(100)
    names = ["b/one.csv", "b/two.csv.gz", "c.parquet", "d"]
    write(folder, {name: rows[25 * n : 25 * (n + 1)] for n, name in enumerate(names)})
    assert_frame_equal(read(folder), rows)
    assert capsys.readouterr().out == "channel train: 100 rows from 4 file(s)\n"


def test_part_files_without_rows_are_skipped_and_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = make_rows(50)
    write(folder, {"part-1.csv": rows[:20], "part-4.csv": rows[20:], "part-5.parquet": rows[:0]})
    (folder / "part-0.csv").write_bytes(b"")
    (folder / "part-1a.csv").write_bytes(b"\r\n\n")
    (folder / "part-2.csv").write_text(f"\ufeff{HEADER}\r\n\r\n")
    (folder / "part-3.csv.gz").write_bytes(gzip.compress(b""))
    assert_frame_equal(read(folder), rows)
    counted = "channel train: 50 rows from 7 file(s), 5 of them without rows\n"
    assert capsys.readouterr().out == counted


@pytest.mark.parametrize("size", [50, 10_000, 2**15, 10**6])
def test_pages_are_the_same_whatever_the_chunks(size: int) -> None:
    rows = make_rows(2 * channel.PAGE_ROWS + 5)
    chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
    pages = list(channel.pages(chunks))
    assert [len(page) for page in pages] == [channel.PAGE_ROWS, channel.PAGE_ROWS, 5]
    assert_frame_equal(pd.concat(pages, ignore_index=True), rows)


HIDDEN = ("_SUCCESS", ".part.crc", ".ipynb_checkpoints/rows.csv", "_temporary/0/rows.csv")


def test_hidden_files_and_folders_are_no_data(folder: Path) -> None:
    rows = make_rows(20)
    write(folder, {"rows.csv": rows})
    for name in HIDDEN:
        assert is_hidden(name)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"no rows")
    assert not is_hidden("a_b/rows.v1.csv")
    assert_frame_equal(read(folder), rows)


def test_many_small_files_are_read_once_each(folder: Path) -> None:
    size = 0
    for number in range(300):
        text = f"{HEADER}\n{number % 2},{number},1,a,\n"
        (folder / f"{number:05}.csv").write_text(text)
        size += len(text)
    rows = channel.Channel.of_job(OptMl(folder.parents[2]), folder.name)
    before = bytes_read()
    assert sum(map(len, rows)) == 300
    assert bytes_read() - before < 2 * size


@pytest.mark.parametrize(
    ("files", "sharded", "message"),
    [
        (None, False, r"channel train: .*/train is not there \(channels found: test\)"),
        ({}, False, "channel train: no file .*\nhint: check that CSV or Parquet files are"),
        ({"_SUCCESS": ""}, False, "channel train: no file"),
        ({}, True, "no file in .* on algo-1\nhint: give at least as many objects as instances"),
        ({"rows.csv": HEADER}, False, "channel train: 0 rows"),
        ({"a.csv": f"{HEADER}\n1,,,,\n1,,,,\n"}, False, "label, bought=1\nhint: .* 0 and 1"),
        ({"rows.csv": "x,y\n1,2\n"}, False, r"train/rows\.csv: no header"),
        ({"a.csv": f"{HEADER}\n1,,,,\n", "b.csv": f"{HEADER}\n2,,,,\n"}, False, r"/b\.csv: bought"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(
    files: dict[str, str] | None, sharded: bool, message: str, folder: Path
) -> None:
    if files is None:
        folder.rename(folder.with_name("test"))
    for name, text in (files or {}).items():
        (folder / name).write_text(text)
    config = folder.parents[1] / "config"
    config.mkdir()
    kind = "ShardedByS3Key" if sharded else "FullyReplicated"
    content = {"train": {"S3DistributionType": kind}}
    (config / "inputdataconfig.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"(?s){message}"):
        read(folder)
