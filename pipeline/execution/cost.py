"""The cost of training jobs, without storage: its limit, its value so far, its estimate."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from container.errors import InputError
from pipeline.instances.price_list import SERVICE, Price, ask_price
from pipeline.settings import Settings

SECONDS_PER_HOUR = 3600


def cost_usd(price: Price, seconds: float, instances: int) -> float:
    """Return the cost of the instances for this time, in USD."""
    return price.usd_per_hour * seconds * instances / SECONDS_PER_HOUR


def check_ceiling(
    price: Price | None,
    instance_type: str,
    instances: int,
    settings: Settings,
    kept_seconds: int = 0,
    *,
    on_aws: bool = True,
) -> str | None:
    """Return a note when the limit cannot be checked on local AWS, where nothing is billed.

    Instances in a warm pool are billed like training instances.

    Raises:
        InputError: The training job could cost more than the settings allow, or on AWS the price is
            not known.
    """
    ceiling, seconds = settings.max_cost_usd, settings.max_run_seconds + kept_seconds
    if ceiling is None:
        return None
    if price is None and not on_aws:
        return (
            f"max_cost_usd: the price of {instance_type} in {settings.region} is unknown, so "
            "the limit cannot be checked"
        )
    if price is None:
        raise InputError(
            f"max_cost_usd: the price of {instance_type} in {settings.region} cannot be read, so "
            "the maximum cost of the job is unknown",
            ".venv/bin/python pipeline/smallest_instance.py shows the types with a price; "
            "max_cost_usd: null removes the limit",
        )
    most = cost_usd(price, seconds, instances)
    if most > ceiling:
        raise InputError(
            f"max_cost_usd: {seconds} s of {instances} x {instance_type} at {price.usd_per_hour} "
            f"USD an hour could cost {most:.4f} USD, more than {ceiling} USD",
            "lower max_run_seconds, choose a smaller instance_type, or raise max_cost_usd",
        )
    return None


def ask_most_expensive(
    pricing: Any | None, region: str, instance_types: Sequence[str]
) -> tuple[str, Price | None]:
    """Return the most expensive type with its price; an unknown price counts as the highest."""
    prices = [(each, ask_price(pricing, region, each)) for each in instance_types]
    return max(prices, key=lambda each: each[1].usd_per_hour if each[1] else float("inf"))


def selected_instance(resources: dict[str, Any]) -> str | None:
    """Return the instance type of a job from its ResourceConfig, also from a list of types."""
    return resources.get("SelectedInstanceType") or resources.get("InstanceType")


class Ceiling(NamedTuple):
    """The most that an execution may cost, checked while it runs.

    The check before the start covers one attempt of `max_run_seconds`, but neither retries nor
    the time that is billed before and after the program runs.
    """

    price: Price | None = None  # of an instance, when it is known
    usd: float | None = None

    def reached(self, usd: float) -> str | None:
        """Return the message for an exceeded budget, or None."""
        if self.usd is None or usd < self.usd:
            return None
        return f"about {usd:.6f} USD were spent, which reaches max_cost_usd, {self.usd:g} USD"


def estimate(pricing: Any | None, region: str, job: dict[str, Any]) -> dict[str, Any] | None:
    """Return the estimated cost of a training job's instances.

    None when there was no job (`job` is DescribeTrainingJob's answer), or when the price cannot be
    read.
    """
    if "BillableTimeInSeconds" not in job:
        return None
    resources = job["ResourceConfig"]
    instance_type = selected_instance(resources)
    price = ask_price(pricing, region, instance_type) if instance_type else None
    if price is None:
        return None
    usd = cost_usd(price, job["BillableTimeInSeconds"], resources["InstanceCount"])
    return {
        "usd": round(usd, 6),
        "usd_per_hour": price.usd_per_hour,
        "source": f"AWS Price List API, {SERVICE}, {price.usage_type}, on demand",
        "as_of": price.as_of,
    }
