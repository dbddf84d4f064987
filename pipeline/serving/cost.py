"""What an endpoint costs while idle, and for a thousand requests."""

from collections.abc import Mapping
from typing import Any

from pipeline.instances import price_list
from pipeline.instances.price_list import HOSTING, SERVERLESS

import boto3


def describe_cost(session: boto3.Session, variant: Mapping[str, Any]) -> str:
    """Return what an endpoint with this ProductionVariant costs, as far as the price list says."""
    instance_type = variant.get("InstanceType")
    region = session.region_name
    pricing = price_list.pricing_client(session, region, price_list.CLIENT_CONFIG)
    if instance_type:
        price = price_list.ask_price(pricing, region, instance_type, HOSTING)
        cost = f"{price.usd_per_hour} USD" if price else "an unknown price"
        told = f"{cost} an hour for {instance_type}, also while idle; requests cost nothing"
    else:
        memory_mb = variant["ServerlessConfig"]["MemorySizeInMB"]
        memory = f"Mem-{memory_mb // 1024}GB"
        price = price_list.ask_price(pricing, region, memory, SERVERLESS)
        cost = f"{price.usd_per_hour * 1000 / 3600:.4f} USD" if price else "an unknown price"
        told = f"0 USD while idle; {cost} for 1,000 requests of a second with {memory_mb} MB"
    return f"{told} (price list of {price.as_of[:10]})" if price else told
