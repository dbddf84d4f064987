import shlex
import subprocess

from container.contract import HYPERPARAMETERS
from container.errors import InputError
from pipeline.company import CompanySettings
from pipeline.settings import DEFAULT_CONFIG, Settings, load_settings

import pytest
from conftest import ROOT, WriteConfig

OPTIONAL = CompanySettings.model_fields.keys()  # docs/settings.md has them


def test_every_value_of_the_file_is_a_setting_and_explained() -> None:
    lines = DEFAULT_CONFIG.read_text(encoding="utf-8").splitlines()
    listed = [line.partition(":")[0] for line in lines if line[:1].isalpha()]
    assert sorted(listed) == sorted(Settings.model_fields.keys() - OPTIONAL)
    one_line = [line for line in lines if line[:1].isalpha() and not line.endswith(":")]
    assert [line for line in one_line if "#" not in line] == ["min_validation_auc: 0.80"]


def test_no_fact_of_an_account_is_in_the_file() -> None:
    text = DEFAULT_CONFIG.read_text(encoding="utf-8")
    for fact in ("arn:", "s3://", "amazonaws", "123456789012", "111122223333"):
        assert fact not in text


def test_settings_are_frozen(settings: Settings) -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings.region = "eu-west-1"


@pytest.mark.parametrize("value", ["1e-3", 1e-3, "0.001"])
def test_a_number_may_be_written_in_any_way(value: object, write_config: WriteConfig) -> None:
    path = write_config(min_validation_auc=value, hyperparameters={"eta": value})
    settings = load_settings(path)
    assert settings.min_validation_auc == 0.001
    assert settings.hyperparameters["eta"] == 0.001


def test_hyperparameters_left_out_keep_their_declared_defaults(write_config: WriteConfig) -> None:
    settings = load_settings(write_config(hyperparameters={"max_depth": 2}))
    assert settings.hyperparameters["max_depth"] == 2
    assert list(settings.hyperparameters) == list(HYPERPARAMETERS)
    assert settings.hyperparameters["gamma"] == HYPERPARAMETERS["gamma"].default


def test_all_mistakes_are_reported_together_and_sorted(write_config: WriteConfig) -> None:
    path = write_config(
        instance_typ="ml.m5.large",
        instance_type=None,
        volume_size_gb=0,
        split_seed=True,
        validation_fraction="much",
        hyperparameters={"max_dept": 3, "eta": 9},
    )
    with pytest.raises(InputError) as caught:
        load_settings(path)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines[:-1]] == [
        "hyperparameters",
        "missing key",
        "split_seed",
        "unknown key",
        "validation_fraction",
        "volume_size_gb",
    ]
    assert "unknown hyperparameter max_dept (did you mean max_depth?)" in lines[0]
    assert "eta: 9 is not a number from 0.0001 to 1.0" in lines[0]
    assert lines[1] == "pipeline.yaml: missing key: instance_type"
    assert lines[3] == "pipeline.yaml: unknown key: instance_typ (did you mean instance_type?)"
    assert "greater than or equal to 1" in lines[5]
    assert lines[6].startswith("hint: the project's pipeline.yaml has every key with its meaning")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"instance_type": "ml.m5.lrge"},
            r"not a training instance type .did you mean ml.m5.large",
        ),
        ({"instance_type": "ml.t2.medium"}, "not a training instance type"),
        ({"instance_count": 0}, "instance_count: 0: .* greater than or equal to 1"),
        ({"pipeline_name": "bad name!"}, "pipeline_name"),
        (
            {"stack_name": "ours", "pipeline_name": "theirs"},
            r"pipeline_name: 'theirs' does not begin with 'ours-', .*did you mean ours-theirs",
        ),
        ({"stack_name": "ours", "pipeline_name": "ours2-x"}, "does not begin with 'ours-'"),
        ({"stack_name": "UPPER"}, "stack_name"),
        ({"stack_name": "a--b"}, "stack_name"),
        (
            {"region": "us-east-9"},
            r"'us-east-9' is not a region of SageMaker .did you mean us-east",
        ),
        ({"split_seed": "1_000"}, "split_seed: '1_000' is not a number"),
        ({"data_file": ""}, "data_file: the name of a file is needed"),
        ({"data_file": "a\0b"}, "data_file: the name of a file is needed"),
        ({"min_validation_auc": float("nan")}, "min_validation_auc"),
        ({"spot": True, "max_wait_seconds": 10}, "max_wait_seconds .10. includes the run"),
        ({"validation_fraction": 1}, "validation_fraction: 1: .* less than 1"),
        ({"hyperparameters": [1]}, "hyperparameters: names with values are needed"),
    ],
)
def test_values_that_aws_or_the_program_would_refuse_are_refused_here(
    change: dict[str, object], problem: str, write_config: WriteConfig
) -> None:
    with pytest.raises(InputError, match=problem):
        load_settings(write_config(**change))


def test_a_key_given_twice_is_a_mistake(write_config: WriteConfig) -> None:
    path = write_config()
    path.write_text(path.read_text() + "\nspot: true\n")
    with pytest.raises(InputError, match="key given twice: spot"):
        load_settings(path)


def test_whole_numbers_may_have_an_exponent(write_config: WriteConfig) -> None:
    path = write_config(split_seed="1e3", hyperparameters={"num_round": "2e2"})
    assert load_settings(path).split_seed == 1000
    assert load_settings(path).hyperparameters["num_round"] == 200


@pytest.mark.parametrize(
    "text", ["", "- a\n", "a: [", "\t", "a: 2024-13-45", "a: !!int foo", "[" * 5000]
)
def test_what_is_not_a_list_of_keys_is_refused(text: str, write_config: WriteConfig) -> None:
    path = write_config()
    path.write_text(text)
    with pytest.raises(InputError, match=r"pipeline\.yaml: not "):
        load_settings(path)


@pytest.mark.parametrize(
    "mistake", [b"a:\n\tb: 1\n", "a: 한국어\n".encode("cp949"), b"a: 'b\n", b"a:1\nb: 2\n"]
)
def test_the_hint_for_a_broken_file_says_how_it_is_written(
    mistake: bytes, write_config: WriteConfig
) -> None:
    """A tab, another encoding, an open quote, a colon without a space: common in editors."""
    path = write_config()
    path.write_bytes(mistake)
    with pytest.raises(InputError, match="hint: save it as UTF-8, indent with spaces, write `key"):
        load_settings(path)


@pytest.mark.parametrize("number", ["0100", "-07", "1:30", "0x10"])
def test_a_number_that_yaml_reads_as_another_is_refused(
    number: str, write_config: WriteConfig
) -> None:
    path = write_config()
    text = path.read_text(encoding="utf-8")
    assert "volume_size_gb: 5\n" in text
    path.write_text(text.replace("size_gb: 5\n", f"size_gb: {number}\n"), encoding="utf-8")
    with pytest.raises(InputError, match=f"{number} is not a plain number"):
        load_settings(path)


@pytest.mark.parametrize(
    ("given", "meant"), [("m5.large", "ml.m5.large"), ("t3.medium", "ml.t3.medium")]
)
def test_an_instance_type_of_ec2_is_named_as_sagemaker_names_it(
    given: str, meant: str, write_config: WriteConfig
) -> None:
    with pytest.raises(InputError, match=rf"\(did you mean {meant}\?\)"):
        load_settings(write_config(instance_type=given))


def test_make_takes_a_configuration_whose_name_has_blanks() -> None:
    name = "my data/it's p.yaml"
    done = subprocess.run(
        [
            "make",
            "--no-print-directory",
            "--dry-run",
            "--assume-old=.venv/ready",
            "local",
            f"CONFIG={name}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    arguments = shlex.split(done.stdout.splitlines()[-1])
    assert arguments[arguments.index("--config") + 1] == name
