import csv
import hashlib
import io
from collections import Counter
from pathlib import Path

from container.errors import InputError
from container.passengers import Passengers, read_passengers
from pipeline import data
from pipeline.data import Dataset, prepare, split, upload
from pipeline.local import ProjectAws
from pipeline.settings import Settings, load_settings

import pytest
from conftest import ROOT, WriteConfig

SHA256 = "98919d5c63fefef712481a38acd0d154887c4d96280af2c834a921ea05d124ee"


def kaggle_file(path: Path, source: Path) -> Path:
    """The same passengers as Kaggle's train.csv names and orders them."""
    names = "PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked"
    with source.open(encoding="utf-8", newline="") as rows, path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(names.split(","))
        for number, row in enumerate(csv.DictReader(rows), 1):
            writer.writerow([number, *(row[name.lower()] for name in names.split(",")[1:])])
    return path


def test_the_snapshot_is_the_one_whose_provenance_is_given(settings: Settings) -> None:
    assert hashlib.sha256(settings.data_file.read_bytes()).hexdigest() == SHA256
    assert SHA256 in (ROOT / "pipeline" / "titanic" / "README.md").read_text(encoding="utf-8")


def test_the_split_is_stratified_whole_and_repeatable(passengers: Passengers) -> None:
    train, validation = split(passengers, 0.2, 42)
    assert sorted(train + validation) == list(range(len(passengers)))
    held_out = Counter(passengers.labels[row] for row in validation)
    assert held_out == {0: 162, 1: 100}  # a fifth of 809 and of 500
    assert split(passengers, 0.2, 42) == (train, validation)
    assert split(passengers, 0.2, 43) != (train, validation)


def test_the_split_does_not_depend_on_the_order_of_the_rows(passengers: Passengers) -> None:
    def held_out(rows: Passengers) -> Counter[str]:
        _, validation = split(rows, 0.2, 42)
        return Counter(rows.texts["name"][row] for row in validation)

    backwards = passengers.take(list(range(len(passengers)))[::-1])
    assert held_out(backwards) == held_out(passengers)


def test_kaggles_names_give_the_same_data(
    settings: Settings, dataset: Dataset, tmp_path: Path
) -> None:
    path = kaggle_file(tmp_path / "train.csv", settings.data_file)
    assert prepare(settings.model_copy(update={"data_file": path})) == dataset


def test_the_channels_hold_nothing_that_was_recorded_after_the_sinking(dataset: Dataset) -> None:
    for content in dataset.channels.values():
        header = next(csv.reader(io.StringIO(content.decode())))
        assert not {"boat", "body"} & set(header)


def test_the_hash_says_whether_anything_changed(settings: Settings, dataset: Dataset) -> None:
    assert prepare(settings).content_hash == dataset.content_hash
    other = prepare(settings.model_copy(update={"split_seed": 1}))
    assert other.content_hash != dataset.content_hash


def test_rows_without_a_label_are_refused_with_their_lines(
    settings: Settings, tmp_path: Path
) -> None:
    lines = settings.data_file.read_text(encoding="utf-8").splitlines()
    for number in (4, 9):
        lines[number - 1] = lines[number - 1].replace(",1,", ",,", 1).replace(",0,", ",,", 1)
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match=r"no label in survived: 2 \(line 4, 9\)"):
        prepare(settings.model_copy(update={"data_file": path}))


def test_too_few_rows_of_a_label_to_hold_any_out_are_refused(
    settings: Settings, tmp_path: Path
) -> None:
    lines = settings.data_file.read_text(encoding="utf-8").splitlines()
    survivors = [line for line in lines[1:] if line.split(",")[1] == "1"]
    lost = [line for line in lines[1:] if line.split(",")[1] == "0"]
    path = tmp_path / "few.csv"
    path.write_text("\n".join([lines[0], *survivors[:2], *lost]), encoding="utf-8")
    with pytest.raises(InputError, match=r"the validation part .* does not hold both labels"):
        prepare(settings.model_copy(update={"data_file": path}))


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
    assert len(read_passengers(stored, "train", labelled=True)) == 1047


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
    assert "nowhere.csv: No such file or directory\nhint: " in capsys.readouterr().err
    assert data.main(["--config", str(write_config(stack_name="other"))]) == 2
    assert (
        "error: stack other: not in region us-east-1\nhint: python build/deploy.py"
        in capsys.readouterr().err
    )
