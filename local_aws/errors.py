"""The errors of local AWS: of its user, and of the jobs that run on it."""

from botocore.exceptions import ClientError


class UserError(Exception):
    """A mistake that the user can fix, with the hint that says how."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.args[0]}\nhint: {self.hint}"


class JobFailed(Exception):
    """A job failed; the text is the FailureReason of its Describe call."""


def internal_error(fault: Exception) -> str:
    """Return the FailureReason of what ended by a fault of local AWS."""
    return f"InternalServerError: {type(fault).__name__}: {fault}"


def reason_of(refusal: ClientError) -> str:
    """Return what AWS says of a request that it refused."""
    return "{Code}: {Message}".format_map(refusal.response["Error"])
