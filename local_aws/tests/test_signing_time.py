from datetime import UTC, datetime

from local_aws.iam.signing_time import wrong_time

import pytest

NOW = datetime(2022, 1, 27, 1, 59, 28, tzinfo=UTC)


@pytest.mark.parametrize("signed_at", ["20220127T014428Z", "20220127T015928Z", "20220127T020428Z"])
def test_some_minutes_too_early_or_too_late_are_allowed(signed_at: str) -> None:
    assert wrong_time(signed_at, NOW) is None


def test_what_is_said_of_a_signature_of_another_time() -> None:
    """The first as users quote it, in aws/aws-cli issue 6676."""
    assert wrong_time("20220127T001427Z", NOW) == (
        "Signature expired: 20220127T001427Z is now earlier than 20220127T014428Z "
        "(20220127T015928Z - 15 min.)"
    )
    assert wrong_time("20220127T025928Z", NOW) == (
        "Signature not yet current: 20220127T025928Z is still later than 20220127T020428Z "
        "(20220127T015928Z + 5 min.)"
    )
