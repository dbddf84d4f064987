"""What an endpoint costs while idle, and for a thousand requests."""

from pipeline.instances import price_list
from pipeline.instances.price_list import HOSTING, SERVERLESS

import boto3


def describe_cost(session: boto3.Session, instance_type: str | None, memory_mb: int | None) -> str:
    """Return what an endpoint costs, as far as the price list says it.

    An endpoint without `instance_type` is serverless, with `memory_mb`.
    """
    region = session.region_name
    pricing = price_list.pricing_client(session, region, price_list.CLIENT_CONFIG)
    if instance_type:
        price = price_list.ask_price(pricing, region, instance_type, HOSTING)
        cost = f"{price.usd_per_hour} USD" if price else "a price unknown here"
        told = f"{cost} an hour for {instance_type}, also while idle; requests cost nothing"
    else:
        memory = f"Mem-{(memory_mb or 0) // 1024}GB"
        price = price_list.ask_price(pricing, region, memory, SERVERLESS)
        cost = f"{price.usd_per_hour * 1000 / 3600:.4f} USD" if price else "a price unknown here"
        told = f"0 USD while idle; {cost} for 1,000 requests of a second with {memory_mb} MB"
    return f"{told} (price list of {price.as_of[:10]})" if price else told
