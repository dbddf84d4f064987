"""The treatments of a member, and the tables that several requests have."""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Treatment(Enum):
    """The treatment of a member, for all values."""

    DONE = "carried out"
    NAMED = "accepted, and named in the log"
    REFUSED = "refused"


DONE, NAMED, REFUSED = Treatment


@dataclass(frozen=True)
class Only:
    """The treatment of a member with supported values, named values, and refused others."""

    done: tuple[Any, ...]
    named: tuple[Any, ...] = ()


Table = dict[str, "Treatment | Only | Table"]

OFF = Only((None, False, "None"))


def members(
    done: str = "", named: str = "", refused: str = "", off: str = "", **others: "Only | Table"
) -> Table:
    """Return the treatment of each member of a structure.

    Args:
        done: The supported members, separated by spaces.
        named: The members that are accepted and named in the log.
        refused: The refused members.
        off: The members that are refused unless they are off.
        others: The treatments of all other members, by name.
    """
    table: Table = dict(others)
    groups = ((DONE, done), (NAMED, named), (REFUSED, refused), (OFF, off))
    table.update((name, treatment) for treatment, names in groups for name in names.split())
    return table


VPC = members(done="SecurityGroupIds Subnets")  # as far as S3 is reached through it
TAGS = members(done="Key Value")
