"""Script mode, which replaces the program of a framework image: `python script_mode.py train`.

The interpreter of an `images` entry with `python: PATH` runs this file, without local AWS. If it
has AWS's toolkit (sagemaker-training), the toolkit runs the job's script. If not, the script gets
the SM_* variables, and the hyperparameters as arguments, as the README of "SageMaker Training
Toolkit" says. Nothing is installed. The source is already in /opt/ml/code.
"""

from __future__ import annotations  # the interpreter may be an old one

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

OF_THE_TOOLKIT = ("sagemaker_", "default_user_module_name", "_tuning_objective_metric")
NO_PROGRAM = (
    "this image is not here, only an interpreter in its place, and the job brings no script: "
    "give `command: [...]` or `docker: true` for it in the images of local_aws.yaml"
)


def main(arguments: list[str]) -> None:
    """Replace this process by the script of the training job."""
    sys.path.remove(str(Path(__file__).resolve().parent))  # its modules are not the script's
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    hyperparameters = read_hyperparameters(base) if arguments == ["train"] else {}
    script = hyperparameters.get("sagemaker_program") or os.environ.get("SAGEMAKER_PROGRAM")
    if not script or arguments != ["train"]:
        sys.exit(NO_PROGRAM)
    if importlib.util.find_spec("sagemaker_training"):
        from sagemaker_training.cli import train  # type: ignore[import-not-found]

        os.environ["SM_STUDIO_LOCAL_MODE"] = "true"  # the name of the host does not resolve here
        train.main()
        return
    code = base / "code"
    if not (code / script).is_file():
        found = ", ".join(sorted(each.name for each in code.glob("*"))) or "nothing"
        sys.exit(f"{script} is not in {code}, which has {found}")
    if (code / "requirements.txt").is_file():
        print("local AWS: requirements.txt is not installed", file=sys.stderr, flush=True)
    given = {k: v for k, v in hyperparameters.items() if not k.startswith(OF_THE_TOOLKIT)}
    environment = variables(base, script, hyperparameters, given)
    command = [sys.executable, script] if script.endswith(".py") else ["/bin/sh", f"./{script}"]
    os.chdir(str(code))
    command += json.loads(environment["SM_USER_ARGS"])
    os.execve(command[0], command, environment)  # noqa: S606 - the job's own script


def read_hyperparameters(base: Path) -> dict[str, Any]:
    """Return the hyperparameters; values that are JSON are parsed."""
    text = (base / "input" / "config" / "hyperparameters.json").read_text()
    return {name: decoded(value) for name, value in json.loads(text).items()}


def decoded(value: str) -> Any:
    """Parse a text as JSON, or return it unchanged if it is not JSON."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def variables(
    base: Path, script: str, hyperparameters: dict[str, Any], given: dict[str, Any]
) -> dict[str, str]:
    """Return the environment variables of the script."""
    config = base / "input" / "config"
    resources = json.loads((config / "resourceconfig.json").read_text())
    channels = json.loads((config / "inputdataconfig.json").read_text())
    settings: dict[str, Any] = {
        "hosts": resources["hosts"],
        "current_host": resources["current_host"],
        "current_instance_type": resources["current_instance_type"],
        "current_instance_group": resources["current_group_name"],
        "network_interface_name": resources["network_interface_name"],
        "num_cpus": os.cpu_count(),
        "num_gpus": 0,
        "num_neurons": 0,
        "model_dir": str(base / "model"),
        "input_dir": str(base / "input"),
        "input_config_dir": str(config),
        "output_dir": str(base / "output"),
        "output_data_dir": str(base / "output" / "data"),
        "output_intermediate_dir": str(base / "output" / "intermediate"),
        "log_level": hyperparameters.get("sagemaker_container_log_level", 20),
        "module_name": script[:-3] if script.endswith(".py") else script,
        "module_dir": hyperparameters.get("sagemaker_submit_directory", str(base / "code")),
        "user_entry_point": script,
        "framework_module": "",
        "framework_params": {},
        "resource_config": resources,
        "input_data_config": channels,
        "channels": sorted(channels),
        "hps": given,
        "user_args": as_arguments(given),
    }
    settings.update(("channel_" + name, str(base / "input" / "data" / name)) for name in channels)
    settings.update(("hp_" + name, value) for name, value in given.items())
    settings["training_env"] = dict(settings, job_name=os.environ.get("TRAINING_JOB_NAME", ""))
    environment = dict(os.environ)
    environment.update(("SM_" + name.upper(), as_text(value)) for name, value in settings.items())
    path = [str(base / "code"), os.environ.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(each for each in path if each)
    return environment


def as_text(value: Any) -> str:
    """Convert a value to the text of a variable."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def as_arguments(given: dict[str, Any]) -> list[str]:
    """Return the arguments of the script: `--name value`, sorted by name."""
    arguments: list[str] = []
    for name, value in sorted(given.items()):
        if isinstance(value, dict):
            value = ",".join(f"{key}={each}" for key, each in sorted(value.items()))
        arguments += [("--" if len(name) > 1 else "-") + name, "" if value is None else str(value)]
    return arguments


if __name__ == "__main__":
    main(sys.argv[1:])
