"""The errors of local AWS: mistakes of its user, and failures of jobs."""

from botocore.exceptions import ClientError


class UserError(Exception):
    """A mistake that the user can fix, with a hint."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.args[0]}\nhint: {self.hint}"


class JobFailed(Exception):
    """The failure of a job. Its text is the FailureReason of the Describe call."""


def internal_error(fault: Exception) -> str:
    """Return the FailureReason for an internal error of local AWS."""
    return f"InternalServerError: {type(fault).__name__}: {fault}"


def reason_of(refusal: ClientError) -> str:
    """Return AWS's message about a request that it refused."""
    return "{Code}: {Message}".format_map(refusal.response["Error"])
