"""What an endpoint costs while nobody asks it, and for a thousand requests."""

from pipeline.instances import price_list

import boto3


def idle_cost(session: boto3.Session, instance_type: str | None, memory_mb: int | None) -> str:
    """Return the cost of an endpoint, as far as the price list says it.

    An endpoint without `instance_type` is serverless, with `memory_mb`.
    """
    if instance_type is None:
        return (
            "0 USD while idle: serverless is billed for the seconds of requests, "
            f"with {memory_mb} MB (price unknown here)"
        )
    region = session.region_name
    pricing = price_list.pricing_client(session, region, price_list.SOON)
    price = price_list.ask_price(pricing, region, instance_type, price_list.HOSTING)
    if price is None:
        return f"{instance_type}: price unknown here, by the hour, also while idle"
    return (
        f"{price.usd_per_hour} USD an hour for {instance_type}, also while idle, and nothing for "
        f"each request (price list of {price.as_of})"
    )
