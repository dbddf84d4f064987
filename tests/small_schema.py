"""A schema of the tests' own (see small_program)."""

from container.schema import Number, Text

__all__ = ["ALIASES", "LABEL", "NUMBERS", "TEXTS", "Number", "Text"]

LABEL = "bought"
NUMBERS = {"size": Number(-100, 1e6), "count": Number(0, 9, whole=True)}
TEXTS = {"kind": Text({"a": "A", "alpha": "A", "b": "B"}), "note": Text()}
ALIASES = {"how many": "count"}
