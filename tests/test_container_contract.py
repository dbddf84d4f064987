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


def test_container_imports_neither_pipeline_nor_an_aws_library() -> None:
    for path in (ROOT / "container").rglob("*.py"):
        assert not imported_packages(path) & {"pipeline", "boto3", "botocore", "sagemaker"}, path


# What the evidence page is made with: the artifact is scored again by the program that made it.
EVIDENCE = ROOT / "pipeline" / "evidence"
SCORING_AGAIN = (EVIDENCE / "scoring.py", EVIDENCE / "pictures.py")


def test_pipeline_imports_only_what_is_standard_library_of_container() -> None:
    shared = set()
    for path in (ROOT / "pipeline").rglob("*.py"):
        for module in imported_modules(path):
            file = ROOT / f"{module.replace('.', '/')}.py"
            if module.startswith("container.") and file.exists() and path not in SCORING_AGAIN:
                shared.add(file)
    assert ROOT / "container" / "contract.py" in shared
    for path in shared:
        assert imported_packages(path) <= sys.stdlib_module_names | {"container"}, path


def test_a_start_imports_the_slow_libraries_only_when_it_needs_them() -> None:
    slow = "{'matplotlib', 'numpy', 'sagemaker', 'xgboost'}"
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


@pytest.mark.parametrize(
    "text", ["True", "None", "", "7.5", "nan", "0", "17", "1_0", "\u0665", "1e999"]
)
def test_a_value_of_the_wrong_type_or_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"max_depth: .* is not an integer from 1 to 16"):
        contract.parse_hyperparameters({"max_depth": text})


@pytest.mark.parametrize("text", ["nan", "inf", "-0.1"])
def test_a_number_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="gamma"):
        contract.parse_hyperparameters({"gamma": text})


def test_all_mistakes_are_reported_together() -> None:
    with pytest.raises(InputError) as caught:
        contract.parse_hyperparameters({"max_dept": "3", "eta": "2"})
    assert "unknown hyperparameter max_dept" in str(caught.value)
    assert "eta: '2' is not a number from 0.0001 to 1.0" in str(caught.value)
    assert "max_depth" in caught.value.hint


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
