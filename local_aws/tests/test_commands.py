"""`run`, `lint` and `graph`, as a person gives them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from local_aws.tests.jobs import PROGRAM as JOB

import pytest
import yaml

GATE: dict[str, Any] = {
    "Version": "2020-12-01",
    "Parameters": [{"Name": "Least", "Type": "Float", "DefaultValue": 0.5}],
    "Steps": [
        {
            "Name": "Gate",
            "Type": "Condition",
            "Arguments": {
                "Conditions": [
                    {
                        "Type": "GreaterThan",
                        "LeftValue": {"Get": "Parameters.Least"},
                        "RightValue": 1,
                    }
                ],
                "IfSteps": [
                    {"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": "too much"}}
                ],
                "ElseSteps": [],
            },
        }
    ],
}

CONFIG = {"images": [{"match": "*", "command": ["python", "train.py"], "source": "src"}]}

# A program that knows nothing of local AWS.
PROGRAM = """
import boto3, json, sys
sys.path.insert(0, {root!r})
from local_aws.clients import Clients
from local_aws.tests.jobs import Jobs
import os
names = ("ENDPOINT_URL", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
jobs = Jobs(Clients(*(os.environ["AWS_" + name] for name in names)))
request = jobs.request("print('hello from the job')")
del request["TrainingJobName"]
steps = [{{"Name": "Train", "Type": "Training", "Arguments": request}}]
definition = json.loads({gate!r})
definition["Steps"] += steps
sagemaker = boto3.client("sagemaker")
sagemaker.create_pipeline(PipelineName="p", PipelineDefinition=json.dumps(definition),
                          RoleArn=jobs.role, ClientRequestToken="x" * 32)
parameters = [{{"Name": "Least", "Value": sys.argv[1]}}]
sagemaker.start_pipeline_execution(PipelineName="p", PipelineParameters=parameters)
sys.exit(int(sys.argv[2]))
"""


def local_aws(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder`, and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "local_aws", *arguments],
        env={**os.environ, "TMPDIR": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a program, a definition and a configuration."""
    (tmp_path / "local_aws.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text(JOB)
    root = str(Path(__file__).parent.parent.parent)
    (tmp_path / "program.py").write_text(PROGRAM.format(root=root, gate=json.dumps(GATE)))
    (tmp_path / "gate.json").write_text(json.dumps(GATE))
    return tmp_path


@pytest.mark.parametrize(
    ("least", "code", "expected", "last"),
    [
        ("0.5", "0", 0, "p execution: Succeeded"),
        ("2", "0", 1, "p execution: Failed: "),
    ],
)
def test_run_follows_what_the_program_started_and_ends_as_it_did(
    least: str, code: str, expected: int, last: str, folder: Path
) -> None:
    done = local_aws(folder, "run", "--", sys.executable, "program.py", least, code)
    assert done.returncode == expected, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "local AWS: jobs run as child processes, not in their image"
    assert lines[-1].startswith(last)
    if least == "2":
        assert "p step End: Failed: too much" in lines
    else:
        assert "  algo-1 hello from the job" in lines
        assert lines.index("  algo-1 hello from the job") < lines.index("p step Train: Succeeded")


def test_a_quiet_run_prints_no_logs_and_ends_as_the_program_did(folder: Path) -> None:
    done = local_aws(folder, "run", "--quiet", "--", sys.executable, "program.py", "0.5", "7")
    assert done.returncode == 7
    assert done.stderr == "local AWS: jobs run as child processes, not in their image\n"


def test_run_without_such_a_program_is_one_line_and_a_hint(folder: Path) -> None:
    done = local_aws(folder, "run", "--", "no-such-program")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2:] == [
        "error: no-such-program: No such file or directory",
        "hint: give the program after `run --`",
    ]


def test_lint_says_that_a_definition_is_valid(folder: Path) -> None:
    done = local_aws(folder, "lint", "gate.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "gate.json: 2 steps, valid\n", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(GATE).replace("Parameters.Least", "Parameters.Most"), "Parameters.Most refers"),
        (json.dumps(GATE).replace("Fail", "EMR"), "the type EMR is not supported by local AWS"),
        ("[]", "the definition is not a JSON object"),
        ("{", "Expecting property name"),
    ],
)
def test_lint_names_what_would_be_refused(text: str, message: str, folder: Path) -> None:
    (folder / "wrong.json").write_text(text)
    done = local_aws(folder, "lint", "wrong.json")
    error, hint = done.stderr.splitlines()
    assert done.returncode == 2
    assert error.startswith("error: wrong.json: ")
    assert message in error
    assert hint.startswith("hint: ")


def test_graph_draws_a_definition(folder: Path) -> None:
    done = local_aws(folder, "graph", "gate.json")
    assert done.returncode == 0
    assert "flowchart TD" in done.stdout
    assert "Gate" in done.stdout


def test_a_definition_that_is_not_there_is_one_line_and_a_hint(folder: Path) -> None:
    done = local_aws(folder, "graph", "none.json")
    assert done.returncode == 2
    assert done.stderr == (
        "error: none.json: No such file or directory\nhint: give the definition as JSON\n"
    )


EVALUATE = (
    "import os, pathlib",
    "print('hello from processing')",
    "out = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR']) / 'processing/out'",
    "(out / 'report.json').write_text('{\"auc\": 0.9}')",
)


def test_start_runs_a_definition_alone_to_its_outcome(folder: Path) -> None:
    role = "arn:aws:iam::111122223333:role/service-role/TheirRole"
    output = {
        "OutputName": "report",
        "S3Output": {
            "S3Uri": "s3://their-bucket/report",
            "LocalPath": "/opt/ml/processing/out",
            "S3UploadMode": "EndOfJob",
        },
    }
    image = "111122223333.dkr.ecr.us-east-1.amazonaws.com/their-image:1"
    evaluate = {
        "Name": "Evaluate",
        "Type": "Processing",
        "Arguments": {
            "AppSpecification": {
                "ImageUri": image,
                "ContainerEntrypoint": ["python3", "-c", "; ".join(EVALUATE)],
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 1,
                }
            },
            "ProcessingOutputConfig": {"Outputs": [output]},
            "RoleArn": role,
        },
        "PropertyFiles": [
            {"PropertyFileName": "Report", "OutputName": "report", "FilePath": "report.json"}
        ],
    }
    file = {"Get": "Steps.Evaluate.PropertyFiles.Report"}
    definition: dict[str, Any] = json.loads(json.dumps(GATE))
    gate = definition["Steps"][0]["Arguments"]["Conditions"][0]
    gate |= {
        "Type": "LessThan",
        "LeftValue": {"Std:JsonGet": {"PropertyFile": file, "Path": "auc"}},
        "RightValue": {"Get": "Parameters.Least"},
    }
    definition["Steps"].append(evaluate)
    (folder / "evaluate.json").write_text(json.dumps(definition))
    done = local_aws(folder, "start", "evaluate.json")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[-1] == "evaluate execution: Succeeded"
    assert "  algo-1 hello from processing" in lines
    assert "evaluate step Evaluate: Succeeded" in lines
    done = local_aws(folder, "start", "evaluate.json", "--parameter", "Least=0.95")
    assert done.returncode == 1
    assert "evaluate step End: Failed: too much" in done.stderr.splitlines()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--parameter", "Least"], "--parameter Least: no value"),
        (["--parameter", "Least=much"], "parameter Least: 'much' is not of type Float"),
        (["--parameter", "Most=1"], "Unknown parameters: Most"),
    ],
)
def test_start_with_a_wrong_parameter_is_one_line_and_a_hint(
    arguments: list[str], message: str, folder: Path
) -> None:
    done = local_aws(folder, "start", "gate.json", *arguments)
    error, hint = done.stderr.splitlines()
    assert (done.returncode, error) == (2, f"error: {message}")
    assert hint.startswith("hint: ")
