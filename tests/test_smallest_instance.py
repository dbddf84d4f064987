"""The command, and `instance_type: smallest`, on local AWS with each kind of account."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_aws.account.account import KINDS
from local_aws.service_model import training_instance_types
from pipeline import definition, smallest_instance, upsert_and_start
from pipeline.local import ProjectAws
from pipeline.settings import Settings

import boto3
import deploy
import pytest
from conftest import ROOT, Enter, Environment, WriteConfig, serving


@pytest.fixture(scope="module")
def empty_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with serving(tmp_path_factory.mktemp("none"), "--account", "none") as environment:
        yield environment


def evidence(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "smallest-instance.json").read_text("utf-8"))
    return content


def test_an_older_account_trains_on_the_type_of_pipeline_yaml_and_keeps_every_answer(
    here: Path, local_aws: ProjectAws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smallest_instance.main(["--all"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len([line for line in lines if line.startswith("ml.") and " no: " in line]) == 223
    assert [line.split()[0] for line in lines if line.endswith("  yes")] == [
        "ml.m5.large",
        "ml.m5.xlarge",
    ]
    assert "smallest usable  ml.m5.large, 8 GiB, 2 vCPU, 0.115 USD/hour; usable\n" in out
    assert "cheapest         ml.t3.large, 8 GiB, 2 vCPU, 0.1 USD/hour; not usable: quota 0" in out
    assert "free tier        ml.m5.xlarge, 16 GiB, 4 vCPU, 0.23 USD/hour; usable\n" in out
    assert "\nThe account may have 15 of it on demand (quota L-611FA074).\n" in out
    assert "\nNot proved yet: no run on ml.m5.large has completed" in out

    kept = evidence(here)
    assert kept["requirements"] == {"instances": 1, "spot": False, "peak_memory_mib": None}
    assert [each["instance_type"] for each in kept["instance_types"]] == [
        line.split()[0] for line in lines[1 : len(training_instance_types()) + 1]
    ]
    asked = {(each["service"], each["operation"]) for each in kept["answers"]}
    assert asked == {
        ("service-quotas", "list_aws_default_service_quotas"),
        ("service-quotas", "list_service_quotas"),
        ("pricing", "get_products"),
        ("ec2", "describe_instance_types"),
    }
    assert {each["endpoint"] for each in kept["answers"]} == {local_aws.clients.endpoint}
    assert f"{len(kept['answers'])} answers are in smallest-instance.json\n" in err


def test_a_new_account_has_nothing_on_demand_and_can_train_with_spot(
    here: Path,
    new_account: Environment,
    enter: Enter,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    enter(new_account)
    assert smallest_instance.main(["--all"]) == 2
    out, err = capsys.readouterr()
    assert "\nsmallest usable  none\n" in out
    assert "\nml.m5.large " in out
    assert "error: no instance type can train on demand in us-east-1: " in err
    assert "quota 0 on demand" in err
    assert (
        "hint: aws service-quotas request-service-quota-increase --service-code sagemaker "
        "--quota-code L-B95AAE44 --desired-value 1 --region us-east-1; or set spot: true in "
        "pipeline.yaml, which can have ml.m5.large\n"
    ) in err
    assert len(evidence(here)["instance_types"]) == len(training_instance_types())

    assert smallest_instance.main(["--config", str(write_config(spot=True)), "--all"]) == 0
    out = capsys.readouterr().out
    assert "smallest usable  ml.m5.large, " in out
    assert "\nThe account may have 4 of it spot (quota L-29688C85).\n" in out
    assert "no quota code spot; not in the region; not in the price list\n" in out


@pytest.mark.usefixtures("here")
def test_a_stack_that_serve_has_made_is_not_changed_by_deploy(
    new_account: Environment, enter: Enter, capsys: pytest.CaptureFixture[str]
) -> None:
    enter(new_account)
    assert deploy.main(["--yes"]) == 0
    assert "stack titanic-pipeline: nothing to change\n" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("spot", "code"), [(False, "L-B95AAE44"), (True, "L-4C7F99A0")])
def test_an_account_with_nothing_at_all_is_told_what_to_ask_for(
    spot: bool,
    code: str,
    empty_account: Environment,
    enter: Enter,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    enter(empty_account)
    assert smallest_instance.main(["--config", str(write_config(spot=spot))]) == 2
    hint = capsys.readouterr().err.splitlines()[-1]
    assert hint.endswith(f"--quota-code {code} --desired-value 1 --region us-east-1")


def test_the_documentation_and_the_program_know_the_same_accounts() -> None:
    text = (ROOT / "docs" / "smallest-instance.md").read_text(encoding="utf-8")
    for kind in KINDS:
        assert f"`{kind}`" in text


def test_smallest_trains_on_what_the_account_allows_and_that_is_the_proof(
    here: Path, local_aws: ProjectAws, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(write_config(instance_type="smallest", pipeline_name="titanic-pipeline-smallest"))
    assert upsert_and_start.main(["--config", config]) == 0
    assert "smallest instance: ml.m5.large\n" in capsys.readouterr().err
    (run,) = (here / "runs").iterdir()
    record = json.loads((run / "run.json").read_text("utf-8"))
    assert record["instance_type"] == record["parameters"]["InstanceType"] == "ml.m5.large"

    assert smallest_instance.main(["--config", config]) == 0
    out = capsys.readouterr().out
    peak = record["peak_memory_mib"]
    assert f"\nThe training program used at most {peak} MiB; 2 times that must fit.\n" in out
    assert (
        f"\nTraining job {record['training_job_name']} completed on it in "
        f"{record['training_seconds']} s, at {local_aws.clients.endpoint}.\n"
    ) in out
    assert evidence(here)["requirements"]["peak_memory_mib"] == peak

    other = str(write_config(pipeline_name="titanic-pipeline-other"))
    assert smallest_instance.main(["--config", other]) == 0
    assert "Not proved yet" in capsys.readouterr().out, "a run of another pipeline proves nothing"


@pytest.mark.usefixtures("local_aws", "here")
def test_without_all_it_prints_the_answer_and_what_is_smaller(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert smallest_instance.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ml.m5.large is the smallest: of 225 ")
    listed = [line.split()[0] for line in lines[1:] if line.startswith("ml.")]
    assert len(listed) == 5
    assert listed[-1] == "ml.m5.large"
    assert lines[-2].split()[-1] != "yes"


def test_a_program_that_needed_more_memory_gets_a_larger_type(
    here: Path,
    local_aws: ProjectAws,  # noqa: ARG001
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = here / "runs" / "abcdefghijkl"
    folder.mkdir(parents=True)
    name = settings.pipeline_name
    record = {
        "region": "us-east-1",
        "pipeline_arn": f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/{name}",
        "training_job_status": "Completed",
        "ended_at": "2026-01-01T00:00:00+00:00",
        "peak_memory_mib": 5000,
        "instance_type": "ml.m5.large",
    }
    (folder / "run.json").write_text(json.dumps(record))
    assert smallest_instance.main(["--all"]) == 0
    out = capsys.readouterr().out
    assert "ml.m5.xlarge is the smallest: " in out
    assert "no: less memory than the 10000 MiB needed" in out

    (folder / "run.json").write_text(json.dumps(record | {"peak_memory_mib": 9000}))
    assert smallest_instance.main([]) == 2
    assert "less memory than the 18000 MiB needed" in capsys.readouterr().err

    (folder / "run.json").write_text("{}")
    assert smallest_instance.main([]) == 2
    assert "run.json: not the record of a run: 'region'\nhint: remove it" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_smallest_without_a_usable_type_sends_nothing(
    new_account: Environment,
    enter: Enter,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    enter(new_account)
    config = str(write_config(instance_type="smallest"))
    assert upsert_and_start.main(["--config", config]) == 2
    assert "error: no instance type can train on demand in us-east-1" in capsys.readouterr().err
    assert boto3.Session().client("sagemaker").list_pipelines()["PipelineSummaries"] == []


def test_the_definition_alone_cannot_know_the_smallest(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert definition.main(["--config", str(write_config(instance_type="smallest"))]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: instance_type: smallest is chosen in an account" in err
    assert "\nhint: set instance_type to a type, or ask: " in err


@pytest.mark.usefixtures("local_aws")
def test_a_folder_that_cannot_be_written_to_is_one_line_and_a_hint(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "smallest-instance.json").mkdir()
    assert smallest_instance.main([]) == 2
    assert (
        f"error: {here}/smallest-instance.json: cannot be written to: " in capsys.readouterr().err
    )
