"""The one error that a user can mend. Standard library only: `pipeline` raises it too."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Something the user gave is wrong: `message` says what, `hint` says what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.args[0]}\nhint: {self.hint}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean NAME?)` for the nearest known name, or nothing."""
    nearest = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {nearest[0]}?)" if nearest else ""
