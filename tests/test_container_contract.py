import ast
import re
import subprocess
import sys
from pathlib import Path

from container import contract
from container.errors import InputError

import pytest

ROOT = Path(__file__).parent.parent


def imported_modules(path: Path) -> set[str]:
    """Every module that a file imports, wherever the import stands."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def imported_packages(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in imported_modules(path)}


def test_the_image_needs_neither_the_pipeline_nor_an_aws_library_nor_scikit_learn() -> None:
    kept_out = {"pipeline", "local_aws", "boto3", "botocore", "sagemaker", "sklearn", "pyarrow"}
    for path in (ROOT / "container").rglob("*.py"):
        assert not imported_packages(path) & kept_out, path


@pytest.mark.parametrize("name", ["contract", "errors", "opt_ml", "schema"])
def test_what_both_sides_share_needs_the_standard_library_only(name: str) -> None:
    packages = imported_packages(ROOT / "container" / f"{name}.py")
    assert packages <= sys.stdlib_module_names | {"container"}
    code = f"import sys, container.{name}; print({{'numpy', 'pandas'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_start_imports_the_slow_libraries_only_when_it_needs_them() -> None:
    slow = "{'matplotlib', 'sagemaker', 'sklearn', 'xgboost'}"
    code = f"import sys, pipeline.upsert_and_start; print({slow} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_defaults_are_themselves_allowed() -> None:
    for name, declared in contract.HYPERPARAMETERS.items():
        assert declared.parse(declared.default) == declared.default, name
        assert type(declared.default) is declared.type, name


def test_hyperparameters_arrive_as_strings_and_leave_as_numbers() -> None:
    values = contract.parse_hyperparameters({"max_depth": "7", "eta": "1e-1"})
    assert values["max_depth"] == 7
    assert values["eta"] == 0.1
    assert contract.parse_hyperparameters({"num_round": "1e3"})["num_round"] == 1000
    assert values["num_round"] == contract.HYPERPARAMETERS["num_round"].default


ODD = ["True", "None", "", "7.5", "nan", "0", "17", "1_0", "\u0665", "1e999"]


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        *(("max_depth", text, "an integer from 1 to 16") for text in ODD),
        *(("gamma", text, "a number from 0.0 to 1000.0") for text in ("nan", "inf", "-0.1")),
        *(("cv_folds", text, "an integer from 3 to 20") for text in ("0", "2", "21", "four")),
    ],
)
def test_a_value_of_the_wrong_type_or_out_of_range_is_refused(
    name: str, text: str, allowed: str
) -> None:
    with pytest.raises(InputError, match=f"{name}: '{text}' is not {allowed}"):
        contract.parse_hyperparameters({name: text}, contract.OF_JOB)


def test_all_mistakes_are_reported_together() -> None:
    with pytest.raises(InputError) as caught:
        contract.parse_hyperparameters({"max_dept": "3", "eta": "2"})
    assert "unknown hyperparameter max_dept" in str(caught.value)
    assert "eta: '2' is not a number from 0.0001 to 1.0" in str(caught.value)
    assert "max_depth" in caught.value.hint


def test_hyperparameters_may_be_arguments() -> None:
    given = contract.parse_arguments(["--eta", "1e-1", "--max_depth=4", "--cv_folds", "5"])
    assert given == {"eta": "1e-1", "max_depth": "4", "cv_folds": "5"}
    assert contract.parse_arguments([]) == {}


@pytest.mark.parametrize("arguments", [["--etta", "1"], ["--et", "1"], ["--eta"], ["eta=1"]])
def test_other_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(InputError, match="arguments: "):
        contract.parse_arguments(arguments)


def test_help_explains_every_hyperparameter(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        contract.parse_arguments(["--help"])
    assert not caught.value.code
    text = " ".join(capsys.readouterr().out.split())
    for name, spec in contract.HYPERPARAMETERS.items():
        assert f"--{name} N {spec.help}; {spec.allowed} (default: {spec.default})" in text
    assert "--cv_folds N" in text


@pytest.mark.parametrize("metric", contract.METRICS)
def test_the_expression_of_a_metric_finds_its_own_line_only(metric: str) -> None:
    expression = contract.metric_regex(metric)
    found = re.search(expression, contract.metric_line(metric, 0.25))
    assert found
    assert float(found[1]) == 0.25
    others = [contract.metric_line(other, 0.5) for other in contract.METRICS if other != metric]
    for line in [*others, "[50]\ttrain-logloss:0.38127\tvalidation-logloss:0.45903"]:
        assert not re.search(expression, line)


def test_metric_definitions_are_within_the_limits_of_the_service() -> None:
    """40 definitions, names of 255 and expressions of 500 characters (CreateTrainingJob)."""
    assert len(contract.METRICS) <= 40
    for metric in contract.METRICS:
        assert len(contract.metric_name(metric)) <= 255
        assert len(contract.metric_regex(metric)) <= 500
