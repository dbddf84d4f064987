"""The treatments of a member, and the tables that several requests have."""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Treatment(Enum):
    """What is done with a member, whatever its value is."""

    DONE = "carried out"
    NAMED = "accepted, and named in the log"
    REFUSED = "refused"


DONE, NAMED, REFUSED = Treatment


@dataclass(frozen=True)
class Only:
    """A member of which some values are carried out, some are named, and the others refused."""

    done: tuple[Any, ...]
    named: tuple[Any, ...] = ()


Table = dict[str, "Treatment | Only | Table"]

VPC: Table = {"SecurityGroupIds": DONE, "Subnets": DONE}  # as far as S3 is reached through it
OFF = Only((None, False, "None"))
TAGS: Table = {"Key": DONE, "Value": DONE}
