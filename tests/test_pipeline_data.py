import hashlib
from pathlib import Path

from container.errors import InputError
from container.reading import read_rows
from container.schema import LABEL
from pipeline import data
from pipeline.data import Dataset, prepare, read_channel, upload
from pipeline.local import ProjectAws
from pipeline.settings import Settings, load_settings

import pandas as pd
import pytest
from conftest import ROOT, WriteConfig

SHA256 = "98919d5c63fefef712481a38acd0d154887c4d96280af2c834a921ea05d124ee"
CASES = ROOT / "tests" / "cases"


def prepared(settings: Settings, data_file: Path, **changes: object) -> Dataset:
    return prepare(settings.model_copy(update={"data_file": data_file, **changes}))


def kaggle_file(path: Path, source: Path) -> Path:
    """Write the same passengers as Kaggle's train.csv names and orders its columns."""
    names = ["Survived", "Pclass", "Name", "Sex", "Age", "SibSp", "Parch", "Ticket", "Fare"]
    names += ["Cabin", "Embarked"]
    rows = pd.read_csv(source, dtype=str, keep_default_na=False)
    rows = rows[[name.lower() for name in names]].set_axis(names, axis="columns")
    rows.to_csv(path, index_label="PassengerId")
    return path


def labels(dataset: Dataset, channel: str) -> list[int]:
    rows = read_rows(dataset.channels[channel], channel, labelled=True)
    return [int((rows[LABEL] == label).sum()) for label in (0, 1)]


def test_the_snapshot_is_the_one_whose_provenance_is_given(settings: Settings) -> None:
    assert hashlib.sha256(settings.data_file.read_bytes()).hexdigest() == SHA256
    assert SHA256 in (ROOT / "pipeline" / "titanic" / "README.md").read_text(encoding="utf-8")


def test_the_split_is_stratified_whole_and_repeatable(
    settings: Settings, dataset: Dataset, rows: pd.DataFrame
) -> None:
    parts = [read_rows(content, name, labelled=True) for name, content in dataset.channels.items()]
    together = pd.concat(parts).sort_values(list(rows), ignore_index=True)
    pd.testing.assert_frame_equal(together, rows.sort_values(list(rows), ignore_index=True))
    assert labels(dataset, "validation") == [162, 100]  # a fifth of 809 and of 500
    assert prepare(settings) == dataset
    other = prepare(settings.model_copy(update={"split_seed": 43}))
    assert other.content_hash != dataset.content_hash
    assert labels(other, "validation") == [162, 100]


def test_the_split_does_not_depend_on_the_order_of_the_rows(
    settings: Settings, dataset: Dataset, tmp_path: Path
) -> None:
    header, *lines = settings.data_file.read_text(encoding="utf-8").splitlines()
    path = tmp_path / "backwards.csv"
    path.write_text("\n".join([header, *reversed(lines)]), encoding="utf-8")
    assert prepared(settings, path) == dataset


def test_letters_of_every_script_are_kept_in_a_large_file(
    settings: Settings, tmp_path: Path
) -> None:
    content = (CASES / "letters.csv").read_bytes()
    header, _, rows = content.partition(b"\n")
    path = tmp_path / "letters.csv"
    times = 3 * 2**20 // len(rows) + 1
    path.write_bytes(header + b"\n" + rows * times)
    large, small = prepared(settings, path), prepared(settings, CASES / "letters.csv")
    assert sum(labels(large, "train")) + sum(labels(large, "validation")) == 100 * times

    def lines(dataset: Dataset) -> set[bytes]:
        return {line for each in dataset.channels.values() for line in each.splitlines()}

    assert lines(large) == lines(small)


def test_kaggles_names_give_the_same_data(
    settings: Settings, dataset: Dataset, tmp_path: Path
) -> None:
    assert prepared(settings, kaggle_file(tmp_path / "train.csv", settings.data_file)) == dataset


REFUSED = {
    "semicolon.csv": ("semicolons, not by commas", "with commas"),
    "tab.csv": ("tabs, not by commas", "with commas"),
    "pipe.csv": ("vertical bars, not by commas", "with commas"),
    "label-words.csv": ("is 'yes', 'no' (100 rows", "give 0 or 1"),
    "sex-digits.csv": ("sex is '1', '0' (100 rows", "correct the cells"),
    "sex-german.csv": ("sex is 'weiblich', 'männlich' (100 rows", "correct the cells"),
    "pclass-odd.csv": ("pclass is '7' (row 4); allowed: a whole number from 1 to 3", "correct"),
    "short-row.csv": ("row 6 has 7 cells, the header has 12", "keeps its comma"),
    "long-row.csv": ("row 6 has 14 cells, the header has 12", "quote the cells"),
    "few-rows.csv": ("10 rows, of which 2 are for validation, are too few", "at least 50 rows"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_trained_on_is_refused_before_anything_is_sent(
    name: str, here: Path, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    path = CASES / name
    assert data.main(["--config", str(write_config(data_file=str(path)))]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    message, remediation = REFUSED[name]
    assert error.startswith(f"error: {path}: ")
    assert message in error
    assert hint.startswith("hint: ")
    assert remediation in hint
    assert not (here / "runs").exists()


def test_every_case_is_tried() -> None:
    named = {"kaggle.csv", "kaggle.csv.gz", "letters.csv", "letters-bom-crlf.csv"}
    named |= {"label-float.csv", "sex-letters.csv", "README.md", *REFUSED}
    assert {path.name for path in CASES.iterdir()} == named


def test_the_channels_hold_the_label_and_the_columns_of_the_schema_alone(
    dataset: Dataset, rows: pd.DataFrame
) -> None:
    for content in dataset.channels.values():
        assert content.decode().splitlines()[0].split(",") == list(rows)


def test_rows_without_a_label_are_refused_with_their_number(
    settings: Settings, tmp_path: Path
) -> None:
    lines = settings.data_file.read_text(encoding="utf-8").splitlines()
    for number in (4, 9):
        lines[number] = lines[number].replace(",1,", ",,", 1).replace(",0,", ",,", 1)
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match=rf"{LABEL} is '' \(2 rows, the first is row 4\)"):
        prepared(settings, path)


def test_too_few_rows_of_a_label_are_refused(settings: Settings, tmp_path: Path) -> None:
    lines = settings.data_file.read_text(encoding="utf-8").splitlines()
    ones = [line for line in lines[1:] if line.split(",")[1] == "1"]
    zeros = [line for line in lines[1:] if line.split(",")[1] == "0"]
    path = tmp_path / "few.csv"
    path.write_text("\n".join([lines[0], *ones[:9], *zeros]), encoding="utf-8")
    with pytest.raises(InputError, match=f"{LABEL} is 0 in 809 rows and 1 in 9: nothing") as caught:
        prepared(settings, path)
    assert caught.value.hint == "give at least 10 rows of each label"


def test_uploading_the_same_content_again_sends_nothing(
    local_aws: ProjectAws, dataset: Dataset
) -> None:
    s3, bucket = local_aws.clients.client("s3"), local_aws.stack.bucket
    sent = []
    s3.meta.events.register(
        "before-call.s3.*",
        lambda model, **_: sent.append(model.name) if "Put" in model.name else None,
    )
    assert upload(s3, dataset, bucket, "twice") == {"train": True, "validation": True}
    assert upload(s3, dataset, bucket, "twice") == {"train": False, "validation": False}
    assert sent == ["PutObject", "PutObject"]

    stored = s3.get_object(Bucket=bucket, Key=dataset.key("train", "twice"))["Body"].read()
    assert stored == dataset.channels["train"]
    assert len(read_channel(s3, dataset.uris(bucket, "twice")["train"])) == 1047


def test_of_a_channel_in_s3_hidden_and_empty_objects_are_not_read(
    local_aws: ProjectAws, dataset: Dataset
) -> None:
    s3, bucket = local_aws.clients.client("s3"), local_aws.stack.bucket
    content = dataset.channels["validation"]
    header = content.splitlines()[0]
    for key, body in {
        "_SUCCESS": b"",
        "_temporary/part": b"no CSV",
        ".ipynb_checkpoints/part.csv": content,
        "a/empty.csv": b"",
        "a/header.csv": header + b"\n",
        "b.csv": content,
    }.items():
        s3.put_object(Bucket=bucket, Key=f"hidden/{key}", Body=body)
    assert len(read_channel(s3, f"s3://{bucket}/hidden/")) == 262
    with pytest.raises(InputError, match=rf"no rows in s3://{bucket}/hidden/a/"):
        read_channel(s3, f"s3://{bucket}/hidden/a/")


def test_the_command_prints_the_uris_of_the_channels(
    local_aws: ProjectAws, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(prefix="command")
    assert data.main(["--config", str(path)]) == 0
    out, err = capsys.readouterr()
    uris = prepare(load_settings(path)).uris(local_aws.stack.bucket, "command")
    assert out.splitlines() == list(uris.values())
    assert err == "train: uploaded\nvalidation: uploaded\n"
    assert data.main(["--config", str(path)]) == 0
    assert capsys.readouterr().err == "train: already there\nvalidation: already there\n"


@pytest.mark.usefixtures("local_aws")
def test_a_missing_file_and_a_missing_stack_each_have_their_own_line(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert data.main(["--config", str(write_config(data_file="nowhere.csv"))]) == 2
    assert "nowhere.csv: cannot be read: No such file or directory\nhint: " in (
        capsys.readouterr().err
    )
    assert data.main(["--config", str(write_config(stack_name="other"))]) == 2
    assert (
        "error: stack other: not in region us-east-1\nhint: .venv/bin/python build/deploy.py"
        in capsys.readouterr().err
    )
