from typing import Any

from local_aws.service_model import training_instance_types
from pipeline.instances.facts import (
    ALL_JOBS,
    FILTER_VALUES,
    ON_DEMAND,
    SPOT,
    WARM_POOL,
    ApiRecorder,
    Quota,
    Size,
    instance_type_requests,
    read_quotas,
    read_sizes,
)
from pipeline.local import ProjectAws

import pytest
from botocore.exceptions import ClientError


def page(*quotas: tuple[str, str, float]) -> dict[str, Any]:
    return {
        "Quotas": [
            {"QuotaName": name, "QuotaCode": code, "Value": value} for name, code, value in quotas
        ]
    }


def test_quotas_are_known_by_their_whole_name() -> None:
    pages = [
        page(
            ("ml.m5.large for training job usage", "L-1", 1),
            ("ml.m5.large for spot training job usage", "L-2", 2),
            ("ml.m5.large for training warm pool usage", "L-3", 3),
            ("ml.m5.large for processing job usage", "L-4", 4),
        ),
        page(
            (ALL_JOBS[ON_DEMAND], "L-5", 5),
            (ALL_JOBS[SPOT], "L-6", 6),
            ("Maximum number of instances per spot training job", "L-7", 7),
        ),
    ]
    assert read_quotas([], pages) == {
        ("ml.m5.large", ON_DEMAND): Quota("L-1", 1),
        ("ml.m5.large", SPOT): Quota("L-2", 2),
        ("ml.m5.large", WARM_POOL): Quota("L-3", 3),
        (ALL_JOBS[ON_DEMAND], ON_DEMAND): Quota("L-5", 5),
        (ALL_JOBS[SPOT], SPOT): Quota("L-6", 6),
    }


def test_what_is_applied_counts_and_the_default_only_where_nothing_is() -> None:
    large, xlarge = "ml.m5.large for training job usage", "ml.m5.xlarge for training job usage"
    defaults = [page((large, "L-1", 0), (xlarge, "L-2", 4))]
    quotas = read_quotas(defaults, [page((large, "L-1", 15))])
    assert quotas["ml.m5.large", ON_DEMAND].instances == 15
    assert quotas["ml.m5.xlarge", ON_DEMAND].instances == 4
    lowered = read_quotas(defaults, [page((xlarge, "L-2", 0))])
    assert lowered["ml.m5.xlarge", ON_DEMAND].instances == 0


def test_sizes_bear_sagemakers_names() -> None:
    described = {
        "InstanceType": "m5.large",
        "MemoryInfo": {"SizeInMiB": 8192},
        "VCpuInfo": {"DefaultVCpus": 2},
    }
    assert read_sizes([{"InstanceTypes": []}, {"InstanceTypes": [described]}]) == {
        "ml.m5.large": Size(8192, 2)
    }


def test_only_the_gpus_that_xgboost_can_use_are_counted() -> None:
    def described(*gpus: tuple[str, int]) -> dict[str, Any]:
        return {
            "InstanceType": "g.large",
            "MemoryInfo": {"SizeInMiB": 8192},
            "VCpuInfo": {"DefaultVCpus": 2},
            "GpuInfo": {"Gpus": [{"Manufacturer": name, "Count": count} for name, count in gpus]},
        }

    for gpus, number in (((("NVIDIA", 4),), 4), ((("AMD", 1),), 0), ((), 0)):
        sizes = read_sizes([{"InstanceTypes": [described(*gpus)]}])
        assert sizes["ml.g.large"].gpus == number


def test_every_type_is_asked_for_within_what_a_request_takes(local_aws: ProjectAws) -> None:
    requests = instance_type_requests(training_instance_types())
    values = [request["Filters"][0]["Values"] for request in requests]
    assert [f"ml.{each}" for names in values for each in names] == training_instance_types()
    assert max(len(names) for names in values) <= FILTER_VALUES
    too_many = [{"Name": "instance-type", "Values": [f"t{n}" for n in range(FILTER_VALUES + 1)]}]
    with pytest.raises(ClientError, match="FilterLimitExceeded"):
        local_aws.clients.client("ec2").describe_instance_types(Filters=too_many)


def test_every_page_is_read_and_kept_with_its_time(local_aws: ProjectAws) -> None:
    quotas, recorder = local_aws.clients.client("service-quotas"), ApiRecorder()
    pages = recorder.call(quotas, "list_service_quotas", ServiceCode="sagemaker")
    assert len(pages) > 1
    names = [each["QuotaName"] for page in pages for each in page["Quotas"]]
    assert len(set(names)) == len(names)
    wanted = "ml.m5.large for training job usage"
    assert wanted in names
    assert wanted not in [each["QuotaName"] for each in pages[0]["Quotas"]], (
        "who filters the first page alone does not find it"
    )
    assert [each.answer for each in recorder.answers] == pages
    for answer in recorder.answers:
        assert answer.service == "service-quotas"
        assert answer.parameters == {"ServiceCode": "sagemaker"}
        assert answer.at.endswith("+00:00")


def test_an_instance_type_of_other_regions_is_not_described(local_aws: ProjectAws) -> None:
    """ml.p5e.48xlarge is not offered in us-east-1, where local AWS runs in the tests."""
    filters = [{"Name": "instance-type", "Values": ["m5.large", "p5e.48xlarge"]}]
    answer = local_aws.clients.client("ec2").describe_instance_types(Filters=filters)
    assert list(read_sizes([answer])) == ["ml.m5.large"]
