"""`local_aws.yaml`: what it means, and what is said of mistakes in it."""

import sys
from pathlib import Path

from local_aws.config import load_config
from local_aws.errors import UserError

import pytest

CONTENT = """
region: eu-west-1
stack: {name: mine, template: stack.yml}
images:
  - {match: "*/train@*", command: [python, train.py], source: code, environment: {A: b}}
  - {match: "*", command: [sh, -c]}
"""


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "local_aws.yaml"
    path.write_text(CONTENT)
    config = load_config(path)
    assert config.region == "eu-west-1"
    assert config.stack
    assert config.stack.template == tmp_path / "stack.yml"
    first, second = config.images
    assert first.source == tmp_path / "code"
    assert first.command == (sys.executable, "train.py")
    assert second.command == ("sh", "-c")
    uri = "1.dkr.ecr.eu-west-1.amazonaws.com/train@sha256:0"
    assert [each.matches(uri) for each in config.images] == [True, True]
    assert [each.matches("other:1") for each in config.images] == [False, True]


def test_an_image_is_run_by_docker_an_interpreter_or_a_command(tmp_path: Path) -> None:
    path = tmp_path / "local_aws.yaml"
    (tmp_path / "python3").touch()
    path.write_text(
        "images: [{match: a, docker: true}, {match: b, python: python}, "
        "{match: c, python: python3}]"
    )
    docker, own, other = load_config(path).images
    assert docker.docker
    assert own.python == Path(sys.executable)
    assert other.python == tmp_path / "python3"


ONE_OF = "one of docker, python and command says how the image is run\nhint: "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("regoin: x", "unknown key: regoin (did you mean region?)\nhint: the keys are account, "),
        ("region: [", "not readable as YAML: "),
        ("- a", "not a list of keys with values\nhint: "),
        (
            "quotas: {ml.c5.xlarge: 1}",
            "quotas: ml.c5.xlarge: nothing is held to such a quota\nhint: ",
        ),
        (
            "quotas: {ml.c5.xlarge for training job usage: -1}",
            "quotas: ml.c5.xlarge for training job usage: -1\nhint: ",
        ),
        ("port: x", "port: 'x'\nhint: write a whole number"),
        ("stack: {name: mine}", "stack: missing key: template\nhint: "),
        ("stack: {name: 1, template: x}", "stack: name: 1 is not a text\nhint: "),
        ("images: x", "images: not a list\nhint: "),
        ("images: [{command: [x]}]", "images[0]: missing key: match\nhint: "),
        ("images: [{match: x}]", f"images[0]: {ONE_OF}"),
        ("images: [{match: x, docker: true, command: [x]}]", f"images[0]: {ONE_OF}"),
        ("images: [{match: x, docker: false}]", f"images[0]: {ONE_OF}"),
        ("images: [{match: x, docker: true, source: x}]", "images[0]: source is not of an image"),
        ("images: [{match: x, python: /none}]", "images[0]: python: /none is not there\nhint: "),
        ("images: [{match: x, command: train}]", "images[0]: 'train' is not a command\nhint: "),
    ],
)
def test_a_mistake_is_one_line_and_a_hint(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "local_aws.yaml"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_file_that_is_not_there_is_one_line_and_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file or directory\nhint: name the file with --"):
        load_config(tmp_path / "none.yaml")
