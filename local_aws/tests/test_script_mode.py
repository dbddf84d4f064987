"""Script mode with an interpreter in place of a framework image."""

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_aws.runners.process import SCRIPT_MODE
from local_aws.runners.script_mode import NO_PROGRAM
from local_aws.tests.conftest import BUILT, clients_of, serving
from local_aws.tests.jobs import Jobs

import pytest
import yaml

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SCRIPT = """
import json, os, sys
print(json.dumps([sys.argv, {k: v for k, v in os.environ.items() if k.startswith("SM_")}]))
import beside
open(os.path.join(os.environ["SM_MODEL_DIR"], "model"), "w").write(beside.CONTENT)
"""
TOOLKIT = """
import os, sys
def main():
    assert not [path for path in sys.path if path.endswith("runners")]
    print("the toolkit runs", sorted(os.listdir(os.environ["SAGEMAKER_BASE_DIR"] + "/code")))
"""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """Jobs of a local AWS that knows one framework image, by this interpreter."""
    folder = tmp_path_factory.mktemp("framework")
    toolkit = folder / "toolkit" / "sagemaker_training" / "cli"
    toolkit.mkdir(parents=True)
    for name in ("__init__.py", "../__init__.py"):
        (toolkit / name).touch()
    (toolkit / "train.py").write_text(TOOLKIT)
    images = [
        {
            "match": "*/with-toolkit*",
            "python": sys.executable,
            "environment": {"PYTHONPATH": str(folder / "toolkit")},
        },
        {"match": "*sagemaker-scikit-learn*", "python": sys.executable},
    ]
    (folder / "local_aws.yaml").write_text(yaml.safe_dump({"images": images}))
    with serving(folder) as environment:
        yield Jobs(clients_of(environment))


def request(jobs: Jobs, image: str = IMAGE, **hyperparameters: Any) -> dict[str, Any]:
    """A request as the SDK's framework estimators send it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        files = {"train.py": SCRIPT, "beside.py": "CONTENT = 'trained'", "requirements.txt": "x"}
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    jobs.s3.put_object(Bucket=jobs.bucket, Key="source/sourcedir.tar.gz", Body=content.getvalue())
    jobs.s3.put_object(Bucket=jobs.bucket, Key="rows/a.csv", Body=b"1\n")
    given = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": f"s3://{jobs.bucket}/source/sourcedir.tar.gz",
        "sagemaker_container_log_level": 20,
        **hyperparameters,
    }
    return {
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "HyperParameters": {name: json.dumps(value) for name, value in given.items()},
        "InputDataConfig": [jobs.channel("train", "rows/")],
    }


def in_its_image(jobs: Jobs) -> dict[str, Any]:
    """Members of a request of a job whose container runs scripts, as a framework image does."""
    put = jobs.s3.put_object
    put(Bucket=jobs.bucket, Key="toolkit/train.py", Body=SCRIPT_MODE.read_bytes())
    entrypoint = ["python3", "/opt/ml/input/data/toolkit/train.py"]
    return {
        "AlgorithmSpecification": {
            "TrainingImage": jobs.image,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": entrypoint,
            "ContainerArguments": ["train"],
        },
        "InputDataConfig": [jobs.channel("train", "rows/"), jobs.channel("toolkit", "toolkit/")],
    }


def test_a_script_gets_hyperparameters_as_arguments_and_folders_as_variables(
    any_jobs: Jobs,
) -> None:
    jobs = any_jobs
    hyperparameters: dict[str, Any] = {"max-depth": 3, "n": "many", "flag": True}
    changes = request(jobs, **hyperparameters)
    if jobs.image.startswith(BUILT):
        changes |= in_its_image(jobs)
    job = jobs.wait(name := jobs.start(**changes))
    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), jobs.log(name))
    notice, line = jobs.log(name)
    assert notice == "local AWS: requirements.txt is not installed"
    arguments, variables = json.loads(line)
    assert arguments == ["train.py", "--flag", "True", "--max-depth", "3", "-n", "many"]
    folders = {key: Path(variables[f"SM_{key}"]).name for key in ("MODEL_DIR", "CHANNEL_TRAIN")}
    assert folders == {"MODEL_DIR": "model", "CHANNEL_TRAIN": "train"}
    assert json.loads(variables["SM_HPS"]) == {"flag": True, "max-depth": 3, "n": "many"}
    assert json.loads(variables["SM_HOSTS"]) == ["algo-1"]
    assert (variables["SM_HP_N"], variables["SM_CURRENT_HOST"]) == ("many", "algo-1")
    assert int(variables["SM_NUM_CPUS"]) >= 1
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith(f"{name}/output/model.tar.gz")


def test_the_toolkit_of_the_interpreter_is_used_where_it_has_one(jobs: Jobs) -> None:
    image = IMAGE.replace("sagemaker-scikit-learn", "with-toolkit")
    job = jobs.wait(name := jobs.start(**request(jobs, image)))
    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), jobs.log(name))
    (line,) = jobs.log(name)
    assert line == "the toolkit runs ['beside.py', 'requirements.txt', 'train.py']"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sagemaker_program": "other.py"}, "other.py is not in "),
        (
            {"sagemaker_program": ""},
            "only an interpreter in its place, and the job brings no script",
        ),
    ],
)
def test_a_job_without_its_script_says_what_is_missing(
    changes: dict[str, Any], said: str, jobs: Jobs
) -> None:
    job = jobs.wait(name := jobs.start(**request(jobs, **changes)))
    assert job["FailureReason"] == "AlgorithmError: , exit code: 1"
    assert said in jobs.log(name)[0]


def test_a_source_that_is_not_there_fails_the_job(jobs: Jobs) -> None:
    changes = {"sagemaker_submit_directory": f"s3://{jobs.bucket}/none.tar.gz"}
    job = jobs.wait(jobs.start(**request(jobs, **changes)))
    assert job["FailureReason"].startswith(
        f"ClientError: the source s3://{jobs.bucket}/none.tar.gz"
    )


def test_the_stand_in_may_be_reached_through_a_link(tmp_path: Path) -> None:
    """So may a package be: the interpreter knows the folder of the program by its real path."""
    link = tmp_path / "runners"
    link.symlink_to(SCRIPT_MODE.parent)
    program = [sys.executable, str(link / SCRIPT_MODE.name), "serve"]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.strip()) == (1, NO_PROGRAM)
