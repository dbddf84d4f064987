"""The optional settings of a company: what is refused, and what the requests then hold."""

import json
import re
from typing import Any

from container.errors import InputError
from local_aws.definition.validation import problems
from local_aws.service_model import violations
from pipeline.company import CompanySettings, stack_parameters
from pipeline.definition import Inputs, example_definition
from pipeline.execution import cost
from pipeline.settings import load_settings
from pipeline.stack import example_stack
from pipeline.tuning.definition import build_tuning_pipeline
from pipeline.workflow.parameters import instances_of

import boto3
import pytest
import yaml
from company import EVERYTHING, KEY, SECURITY_GROUPS, SUBNETS, TOPIC
from conftest import ROOT, WriteConfig
from test_pipeline_definition import training_request

TAGS = [{"Key": "cost-center", "Value": "4711"}, {"Key": "team", "Value": "data science"}]
VPC = {"Subnets": list(SUBNETS), "SecurityGroupIds": list(SECURITY_GROUPS)}
TYPES = EVERYTHING["instance_type"]
OTHER_KEY = KEY.replace("us-east-1", "eu-west-1")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"vpc": {"subnets": ["subnet-1"], "security_groups": ["sg-01234567"]}}, "subnet-1"),
        ({"vpc": {"subnets": ["subnet-01234567"]}}, "missing key: vpc.security_groups"),
        ({"kms_key": "alias/ours"}, "kms_key: 'alias/ours'"),
        ({"kms_key": OTHER_KEY}, "kms_key: .*eu-west-1.* is not in region us-east-1"),
        ({"permissions_boundary": "boundary"}, "permissions_boundary: 'boundary'"),
        ({"tags": {"aws:team": "x"}}, "tags: aws:team: the prefix aws: is reserved"),
        ({"tags": {"team": "a;b"}}, "tags: .*'a;b' does not match"),
        ({"tags": {str(number): "" for number in range(41)}}, "41 tags, at most 40 are allowed"),
        ({"schedule": "daily"}, r"schedule: 'daily': rate\(1 day\), at"),
        (
            {"tags": {"Team": "x", "team": "y"}},
            "IAM treats names that differ only in case as equal",
        ),
        ({"tags": {"served-before": "x"}}, "served-before: is reserved for deploy_model.py"),
        ({"schedule": "rate(0 days)"}, "schedule"),
        ({"schedule": "at(30 January)"}, "schedule"),
        ({"schedule": "cron(0 6 * * *)"}, "MINUTES HOURS DAY MONTH WEEKDAY YEAR"),
        ({"schedule": "cron(0 6 * * * *)"}, ". for one of the days"),
        ({"schedule": "cron(0 6 ? * ? *)"}, ". for one of the days"),
        ({"schedule": "cron(0 25 * * ? *)"}, "schedule: 'cron.0 25"),
        ({"schedule": "cron(0 6 ? * MONDAY *)"}, "schedule: 'cron.0 6"),
        ({"notify": "a@example.com,b@example.com"}, "an e-mail address or an SNS topic's ARN"),
        ({"notify": "mailto:a@example.com"}, "an e-mail address or an SNS topic's ARN"),
        ({"notify": "someone"}, "notify: 'someone': an e-mail address or an SNS topic's"),
        ({"notify": TOPIC.replace("us-east-1", "eu-west-1")}, "notify: .* is not in region"),
        ({"warm_pool_seconds": 0}, "warm_pool_seconds: 0"),
        ({"warm_pool_seconds": 60, "spot": True}, "not possible with spot instances"),
        ({"instance_type": []}, "1 to 5 different instance types"),
        ({"instance_type": ["ml.m5.large", "ml.m5.large"]}, "1 to 5 different instance types"),
        ({"instance_type": ["ml.m5.large", "smallest"]}, "'smallest' is not a training instance"),
        ({"instance_type": TYPES, "spot": True}, "with spot one type is needed, not a list"),
        ({"instance_type": 5}, "instance_type: 5 is not a training instance type"),
    ],
)
def test_what_aws_would_refuse_is_refused_by_name(
    change: dict[str, Any], problem: str, write_config: WriteConfig
) -> None:
    with pytest.raises(InputError, match=problem):
        load_settings(write_config(**change))


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 day)",
        "rate(12 hours)",
        "at(2030-01-31T06:00:00)",
        "cron(0/15 6-9 ? JAN MON#1 *)",
        "cron(*/5 06,18 L * ? 2030-2040)",
        "cron(0 0 15W,31 1-6/2 ? *)",
        "cron(0 0 ? * 6L,SAT *)",
    ],
)
def test_a_schedule_may_have_any_form_of_the_scheduler(
    expression: str, write_config: WriteConfig
) -> None:
    assert load_settings(write_config(schedule=expression)).schedule == expression


def test_a_list_of_one_instance_type_is_that_type(write_config: WriteConfig) -> None:
    assert load_settings(write_config(instance_type=["ml.m5.large"])).instance_type == "ml.m5.large"


def test_with_everything_set_the_training_job_has_it(write_config: WriteConfig) -> None:
    settings = load_settings(write_config(**EVERYTHING))
    definition = example_definition(settings)
    assert problems(definition) == []
    request = training_request(definition)
    assert violations("CreateTrainingJob", request) == []
    assert request["VpcConfig"] == VPC
    assert request["Tags"] == TAGS
    assert request["OutputDataConfig"]["KmsKeyId"] == KEY
    assert request["ResourceConfig"] == {
        "InstancePreferences": [{"InstanceType": each} for each in TYPES],
        "InstanceCount": 1,
        "VolumeSizeInGB": settings.volume_size_gb,
        "VolumeKmsKeyId": KEY,
    }
    assert "InstanceType" not in {each["Name"] for each in definition["Parameters"]}
    assert instances_of(definition, {"InstanceCount": 2}, settings) == (tuple(TYPES), 2)


def test_an_instance_with_disks_of_its_own_takes_no_key(write_config: WriteConfig) -> None:
    path = write_config(kms_key=KEY, instance_type=["ml.m5.large", "ml.g5.xlarge"])
    request = training_request(example_definition(load_settings(path)))
    assert "VolumeKmsKeyId" not in request["ResourceConfig"]
    assert request["OutputDataConfig"]["KmsKeyId"] == KEY


def test_a_search_keeps_its_instances_warm_and_takes_the_first_type(
    write_config: WriteConfig,
) -> None:
    settings = load_settings(write_config(**EVERYTHING))
    assert settings.tuning
    stack = example_stack(settings.stack_name, settings.region)
    inputs = Inputs("image", "revision", {"train": "s3://b/train", "validation": "s3://b/v"})
    session = boto3.Session(
        region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
    )
    pipeline = build_tuning_pipeline(settings, settings.tuning, stack, inputs, session)
    definition = json.loads(pipeline.definition())
    (step,) = [each for each in definition["Steps"] if each["Type"] == "Tuning"]
    training = step["Arguments"]["TrainingJobDefinition"]
    assert problems(definition) == []
    assert "HyperParameterTuningResourceConfig" not in training
    assert training["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600
    assert training["VpcConfig"] == VPC
    assert step["Arguments"]["Tags"] == TAGS
    (default,) = [
        p["DefaultValue"] for p in definition["Parameters"] if p["Name"] == "InstanceType"
    ]
    assert default == TYPES[0]


def test_the_parameters_of_the_stack_are_empty_without_a_setting(write_config: WriteConfig) -> None:
    off = stack_parameters(load_settings(write_config()))
    assert set(off.values()) == {"", "false"}
    on = stack_parameters(load_settings(write_config(**EVERYTHING)))
    assert on.keys() == off.keys()
    assert [name for name, value in on.items() if value in ("", "false")] == ["NotifyTopicArn"]
    topic = stack_parameters(load_settings(write_config(notify=TOPIC)))
    assert (topic["NotifyTopicArn"], topic["NotifyEmail"]) == (TOPIC, "")


def test_the_type_of_a_job_is_the_one_that_was_selected() -> None:
    resources = {"InstancePreferences": [], "SelectedInstanceType": "ml.m6i.large"}
    assert cost.selected_instance(resources) == "ml.m6i.large"
    assert cost.selected_instance({"InstanceType": "ml.m5.large"}) == "ml.m5.large"
    assert cost.selected_instance({}) is None


def test_every_setting_is_in_the_table_with_an_example_that_is_accepted(
    write_config: WriteConfig,
) -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+: [^`]+)`", text, re.MULTILINE)
    examples = yaml.safe_load("\n".join(rows))
    own = CompanySettings.model_fields.keys()
    assert examples.keys() == own | {"instance_type"}
    load_settings(write_config(**examples))
