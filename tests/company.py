"""Every optional setting of a company at once, and without a fact of a real account."""

import json
import re
from typing import Any

from pipeline.company import stack_parameters
from pipeline.settings import DEFAULT_CONFIG, Settings, load_settings

KEY = "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
SUBNETS, SECURITY_GROUPS = ("subnet-0123456789abcdef0",), ("sg-0123456789abcdef0",)

EVERYTHING: dict[str, Any] = {
    "vpc": {"subnets": list(SUBNETS), "security_groups": list(SECURITY_GROUPS)},
    "kms_key": KEY,
    "permissions_boundary": BOUNDARY,
    "tags": {"cost-center": "4711", "team": "data science"},
    "schedule": "cron(0 6 ? * MON-FRI *)",
    "notify": "ml@example.com",
    "warm_pool_seconds": 600,
    "deploy_on_approval": True,
    "instance_type": ["ml.m5.xlarge", "ml.m5.large"],
}


def main() -> None:
    """Print build/infrastructure.yml with every parameter set by default, for linters."""
    settings = Settings.model_validate(load_settings(DEFAULT_CONFIG).model_dump() | EVERYTHING)
    text = (DEFAULT_CONFIG.parent / "build" / "infrastructure.yml").read_text(encoding="utf-8")
    for name, value in stack_parameters(settings).items():
        declared = re.compile(rf'(?<=\n  {name}: {{Type: String, Default: )"[a-z]*"')
        text = declared.sub(json.dumps(value), text)
    print(text, end="")


if __name__ == "__main__":
    main()
