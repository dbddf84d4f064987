"""What an endpoint costs while nobody asks it, and for a thousand requests."""

from pipeline.instances import price_list
from pipeline.settings import Settings

import boto3


def idle_cost(session: boto3.Session, settings: Settings) -> str:
    """Return the cost of the endpoint of the settings, as far as the price list says it."""
    instance_type = settings.endpoint.instance_type
    if instance_type is None:
        return (
            "0 USD while idle: serverless is billed for the seconds of requests, "
            f"with {settings.endpoint.memory_mb} MB (price unknown here)"
        )
    pricing = price_list.pricing_client(session, settings.region, price_list.SOON)
    price = price_list.ask_price(pricing, settings.region, instance_type, price_list.HOSTING)
    if price is None:
        return f"{instance_type}: price unknown here, by the hour, also while idle"
    return (
        f"{price.usd_per_hour} USD an hour for {instance_type}, also while idle, and nothing for "
        f"each request (price list of {price.as_of})"
    )
