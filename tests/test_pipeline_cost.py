from datetime import UTC, datetime, timedelta
from typing import Any

from container.errors import InputError
from pipeline.execution.cost import ask_most_expensive, check_ceiling, estimate
from pipeline.execution.training_job import JobPhases
from pipeline.instances.price_list import Price, products_request
from pipeline.settings import Settings

import boto3
import pytest
from botocore.stub import Stubber
from test_pipeline_price_list import product

PRICE = Price(0.36, "USE1-Train:ml.m5.large", "2026-08-11T10:00:00Z")
TYPE = "ml.m5.large"
BEGUN = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

JOB = {
    "BillableTimeInSeconds": 90,
    "TrainingTimeInSeconds": 300,
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5},
}


@pytest.fixture
def pricing() -> Any:
    return boto3.client(
        "pricing", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


def answered(pricing: Any, *items: str) -> Stubber:
    stubber = Stubber(pricing)
    stubber.add_response("get_products", {"PriceList": list(items)}, products_request("eu-west-1"))
    stubber.activate()
    return stubber


def test_an_estimate_counts_the_billable_seconds_of_every_instance(pricing: Any) -> None:
    with answered(pricing, product("EU-Train:ml.m5.large", usd="0.128")):
        assert estimate(pricing, "eu-west-1", JOB) == {
            "usd": 0.0064,
            "usd_per_hour": 0.128,
            "source": "AWS Price List API, AmazonSageMaker, EU-Train:ml.m5.large, on demand",
            "as_of": "2026-08-11T10:00:00Z",
        }


def test_without_a_price_or_a_permission_or_a_job_there_is_no_estimate(pricing: Any) -> None:
    with answered(pricing, product("EU-Train:ml.m5.xlarge")):
        assert estimate(pricing, "eu-west-1", JOB) is None
    with Stubber(pricing) as stubber:
        stubber.add_client_error("get_products", "AccessDeniedException", "not authorized")
        assert estimate(pricing, "eu-west-1", JOB) is None
    with Stubber(pricing):  # nothing is asked
        assert estimate(pricing, "eu-west-1", {}) is None


def test_a_job_that_could_cost_more_than_the_ceiling_is_refused(settings: Settings) -> None:
    """100 s of 2 instances at 0.36 USD an hour are 0.02 USD."""
    cheap = settings.model_copy(update={"max_run_seconds": 100, "max_cost_usd": 0.02})
    check_ceiling(PRICE, TYPE, 2, cheap)
    dear = cheap.model_copy(update={"max_cost_usd": 0.019})
    with pytest.raises(InputError) as refused:
        check_ceiling(PRICE, TYPE, 2, dear)
    assert str(refused.value).startswith(
        "max_cost_usd: 100 s of 2 x ml.m5.large at 0.36 USD an hour could cost 0.0200 USD, "
        "more than 0.019 USD\nhint: "
    )


def test_without_a_price_only_a_run_without_a_ceiling_starts(settings: Settings) -> None:
    with pytest.raises(InputError, match=r"price of .* cannot be read"):
        check_ceiling(None, TYPE, 1, settings)
    check_ceiling(None, TYPE, 1, settings.model_copy(update={"max_cost_usd": None}))


def test_where_no_money_is_spent_a_run_without_a_price_starts_with_a_note(
    settings: Settings,
) -> None:
    note = check_ceiling(None, TYPE, 1, settings, on_aws=False)
    assert note
    assert note.startswith("max_cost_usd: the price of ml.m5.large in us-east-1 is unknown, so ")
    dear = settings.model_copy(update={"max_run_seconds": 100, "max_cost_usd": 0.019})
    with pytest.raises(InputError, match="could cost"):
        check_ceiling(PRICE, TYPE, 2, dear, on_aws=False)


def phases(*ended: tuple[str, int], **times: datetime) -> dict[str, Any]:
    """A DescribeTrainingJob answer whose phases took so many seconds."""
    begin, transitions = BEGUN, []
    for status, seconds in ended:
        end = begin + timedelta(seconds=seconds)
        transitions.append({"Status": status, "StartTime": begin, "EndTime": end})
        begin = end
    return {
        "SecondaryStatusTransitions": [*transitions, {"Status": "Training", "StartTime": begin}],
        "ResourceConfig": {"InstanceType": TYPE, "InstanceCount": 2},
        **times,
    }


def test_a_phase_is_told_once_when_it_has_ended() -> None:
    job = JobPhases()
    assert job.newly_ended() == []
    job.update(phases(("Starting", 30)))
    assert job.newly_ended() == [("Starting", 30.0)]
    job.update(phases(("Starting", 30), ("Downloading", 4)))
    assert job.newly_ended() == [("Downloading", 4.0)]
    assert job.newly_ended() == []
    job.update(phases(("Starting", 30), ("Downloading", 4), ("Completed", 0)))
    assert job.newly_ended() == [], "how it ended is no phase"


def test_the_cost_so_far_is_that_of_all_instances_since_the_job_has_them() -> None:
    job = JobPhases()
    assert job.cost_usd(PRICE) == 0
    job.update(phases(("Starting", 30)))
    assert job.cost_usd(PRICE) == 0
    done = phases(
        ("Starting", 30),
        ("Training", 20),
        ("Interrupted", 600),
        ("Training", 30),
        TrainingStartTime=BEGUN,
    )
    del done["SecondaryStatusTransitions"][-1]
    job.update(done | {"TrainingJobStatus": "Failed"})
    assert job.ended
    assert job.cost_usd(PRICE) == pytest.approx(0.01)


def test_the_dearest_of_several_types_counts_and_an_unknown_price_counts_most(pricing: Any) -> None:
    types = ("ml.m5.large", "ml.m5.xlarge")

    def ask(*items: list[str]) -> tuple[str, Price | None]:
        with Stubber(pricing) as stubber:
            for each in items:
                stubber.add_response("get_products", {"PriceList": each})
            return ask_most_expensive(pricing, "eu-west-1", types)

    large = [product("EU-Train:ml.m5.large", usd="0.128")]
    dearest, price = ask(large, [product("EU-Train:ml.m5.xlarge", usd="0.256")])
    assert (dearest, price and price.usd_per_hour) == ("ml.m5.xlarge", 0.256)
    assert ask(large, []) == ("ml.m5.xlarge", None)


def test_a_warm_pool_is_billed_as_the_job_is(settings: Settings) -> None:
    cheap = settings.model_copy(update={"max_run_seconds": 100, "max_cost_usd": 0.02})
    with pytest.raises(InputError, match=r"110 s of 2 x ml.m5.large .* could cost 0.0220 USD"):
        check_ceiling(PRICE, TYPE, 2, cheap, kept_seconds=10)
