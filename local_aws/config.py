"""The configuration of local AWS, from `local_aws.yaml` or from a program."""

import difflib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from local_aws.account.account import DEFAULT_KIND, PURPOSES, TOTALS, is_checked
from local_aws.errors import UserError

import yaml

DEFAULT_FILE = Path("local_aws.yaml")
YAML_FORM = "save it as UTF-8, indent with spaces, write `key: value`, close each quote and bracket"
LOOPBACK = "127.0.0.1"
RUNS = ("docker", "python", "command")  # of an image, exactly one
PYTHON = "python"  # at the head of a command: the interpreter that runs local AWS


@dataclass(frozen=True)
class Stack:
    """A CloudFormation stack that local AWS deploys at its start."""

    name: str
    template: Path
    user_policy_output: str = ""  # the output that names the user's policy, with --enforce-iam
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Image:
    """How jobs of matching images run: with exactly one of docker, python and command."""

    match: str  # pattern of image URIs, with * and ?
    docker: bool = False  # the image itself, by the container engine
    python: Path | None = None  # interpreter of the job's own command, for a framework image
    command: tuple[str, ...] = ()  # in place of the image's ENTRYPOINT; `train` is appended
    environment: Mapping[str, str] = field(default_factory=dict)
    source: Path | None = None  # copied at the start; the copy's parent is the PYTHONPATH
    push: tuple[str, ...] = ()  # command that puts an image that stands for it into ECR

    def matches(self, uri: str) -> bool:
        """Return whether this entry applies to jobs of the image `uri`."""
        return fnmatchcase(uri, self.match)


@dataclass(frozen=True)
class Config:
    """The whole configuration."""

    region: str = "us-east-1"
    port: int = 0  # 0: any free one
    stack: Stack | None = None
    buckets: Mapping[str, Path] = field(default_factory=dict)  # name -> folder to fill it from
    images: tuple[Image, ...] = ()
    containers: bool = False  # run every job in its image, and offer a registry to push to
    builds: bool = False  # StartBuild runs commands on this machine; on with `containers`
    enforce_iam: bool = False  # refuse what no policy of the caller allows
    account: str = DEFAULT_KIND
    quotas: Mapping[str, int] = field(default_factory=dict)  # in place of the account's, by name
    faults: tuple[str, ...] = ()


NOUNS = {str: "text", int: "whole number"}
IN_FILE = (
    "region",
    "port",
    "stack",
    "buckets",
    "images",
    "account",
    "quotas",
)  # the rest is a matter of the command


def load_config(path: Path) -> Config:
    """Read a `local_aws.yaml`. Relative paths start at its folder.

    Raises:
        UserError: The file cannot be read, or has unknown keys or wrong values.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "name the file with --config") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not readable as YAML: {error}", YAML_FORM) from None
    values = _mapping(content, IN_FILE, str(path))
    folder = path.parent.resolve()
    if "stack" in values:
        values["stack"] = _stack(values["stack"], folder, f"{path}: stack")
    if "buckets" in values:
        buckets = _mapping(values["buckets"], None, f"{path}: buckets")
        values["buckets"] = {name: folder / str(place) for name, place in buckets.items()}
    if "quotas" in values:
        values["quotas"] = _quotas(values["quotas"], f"{path}: quotas")
    if "images" in values:
        if not isinstance(values["images"], list):
            raise UserError(f"{path}: images: not a list", "write one `- match:` for each image")
        values["images"] = tuple(
            _image(each, folder, f"{path}: images[{number}]")
            for number, each in enumerate(values["images"])
        )
    for name, kind in (("region", str), ("port", int), ("account", str)):
        if not isinstance(values.get(name, kind()), kind):
            raise UserError(f"{path}: {name}: {values[name]!r}", f"write a {NOUNS[kind]}")
    return Config(**values)


def _stack(content: Any, folder: Path, where: str) -> Stack:
    values = _mapping(content, _names(Stack), where, required=("name", "template"))
    pairs = {
        name: _texts(_mapping(values.pop(name, {}), None, where), f"{where}: {name}")
        for name in ("parameters", "tags")
    }
    texts = _texts(values, where)
    output = texts.get("user_policy_output", "")
    return Stack(texts["name"], folder / texts["template"], output, **pairs)


def _quotas(content: Any, where: str) -> dict[str, int]:
    quotas = _mapping(content, None, where)
    for name, most in quotas.items():
        if not is_checked(str(name)):
            raise UserError(
                f"{where}: {name}: nothing is held to such a quota",
                f"write `ml.m5.large for training job usage` ({', '.join(PURPOSES)}) or "
                f"`{', '.join(TOTALS.values())}`",
            )
        if not isinstance(most, int) or isinstance(most, bool) or most < 0:
            raise UserError(f"{where}: {name}: {most!r}", "write a whole number, at least 0")
    return quotas


def _image(content: Any, folder: Path, where: str) -> Image:
    values = _mapping(content, _names(Image), where, required=("match",))
    if sum(name in values for name in RUNS) != 1 or values.get("docker", True) is not True:
        raise UserError(
            f"{where}: one of docker, python and command says how the image is run",
            "write `docker: true`, `python: PATH` or `command: [...]`",
        )
    if "docker" in values and "source" in values:
        raise UserError(f"{where}: source is not of an image that docker runs", "leave it out")
    environment = _texts(_mapping(values.get("environment", {}), None, where), where)
    source = values.get("source")
    return Image(
        match=str(values["match"]),
        docker="docker" in values,
        python=_interpreter(values["python"], folder, where) if "python" in values else None,
        command=_command(values["command"], where) if "command" in values else (),
        environment=environment,
        source=folder / str(source) if source else None,
        push=_command(values["push"], where) if "push" in values else (),
    )


def _interpreter(value: Any, folder: Path, where: str) -> Path:
    """Return the path of an interpreter; `python` stands for the one that runs local AWS."""
    path = Path(sys.executable) if value == PYTHON else folder / str(value)
    if not path.is_file():
        raise UserError(f"{where}: python: {path} is not there", "name an interpreter")
    return path


def _command(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise UserError(f"{where}: {value!r} is not a command", "write it as [program, argument]")
    first, *rest = value
    return (sys.executable if first == PYTHON else first, *rest)


def _mapping(
    content: Any, known: Iterable[str] | None, where: str, required: Iterable[str] = ()
) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise UserError(f"{where}: not a list of keys with values", "write `key: value` lines")
    names = sorted(known or content)
    for name in content:
        if name not in names:
            nearest = difflib.get_close_matches(str(name), names, n=1)
            meant = f" (did you mean {nearest[0]}?)" if nearest else ""
            raise UserError(
                f"{where}: unknown key: {name}{meant}", f"the keys are {', '.join(names)}"
            )
    for name in required:
        if name not in content:
            raise UserError(f"{where}: missing key: {name}", f"the keys are {', '.join(names)}")
    return dict(content)


def _texts(values: dict[str, Any], where: str) -> dict[str, str]:
    for name, value in values.items():
        if not isinstance(value, str):
            raise UserError(f"{where}: {name}: {value!r} is not a text", "put it in quotes")
    return values


def _names(kind: type) -> list[str]:
    return [each.name for each in fields(kind)]
