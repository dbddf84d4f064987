import re
import subprocess
import sys
from pathlib import Path

from container import contract
from container.errors import InputError

import pytest

ROOT = Path(__file__).parent.parent


def test_the_image_needs_neither_the_pipeline_nor_an_aws_library_nor_scikit_learn() -> None:
    """Wherever the import stands."""
    kept_out = {"pipeline", "local_aws", "boto3", "botocore", "sagemaker", "sklearn", "pyarrow"}
    for path in (ROOT / "container").rglob("*.py"):
        imported = re.findall(r"^\s*(?:import|from) (\w+)", path.read_text("utf-8"), re.MULTILINE)
        assert not kept_out.intersection(imported), path


@pytest.mark.parametrize(
    ("imports", "kept_out"),
    [
        ("from container import contract, errors, opt_ml, schema", {"numpy", "pandas"}),
        ("from container import __main__, train", {"container.serve", "waitress"}),
        ("from container import __main__, serve", {"container.train"}),
        ("import pipeline.upsert_and_start", {"matplotlib", "sagemaker", "sklearn", "xgboost"}),
    ],
)
def test_what_is_started_or_shared_imports_nothing_that_it_does_not_need(
    imports: str, kept_out: set[str]
) -> None:
    code = f"import sys; {imports}; print({kept_out} & set(sys.modules))"
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


@pytest.mark.parametrize("metric", contract.METRICS)
def test_the_expression_of_a_metric_finds_its_own_line_only(metric: str) -> None:
    expression = contract.metric_regex(metric)
    assert len(contract.metric_name(metric)) <= 255  # CreateTrainingJob takes no more
    assert len(expression) <= 500
    found = re.search(expression, contract.metric_line(metric, 0.25))
    assert found
    assert float(found[1]) == 0.25
    others = [contract.metric_line(other, 0.5) for other in contract.METRICS if other != metric]
    for line in [*others, "[50]\ttrain-logloss:0.38127\tvalidation-logloss:0.45903"]:
        assert not re.search(expression, line)
