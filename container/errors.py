"""The one error that a user can mend. Standard library only: `pipeline` raises it too."""


class InputError(Exception):
    """Something the user gave is wrong: `message` says what, `hint` says what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.args[0]}\nhint: {self.hint}"
