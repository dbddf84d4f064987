"""The one list of all members of requests, and how local AWS treats each.

An unsupported member that does not change a result is accepted, stored, returned by Describe, and
named in the log of the job. An unsupported member that would change a result is refused by name. A
test compares the list with botocore's model, so that each new member needs a decision.
"""

from local_aws.sagemaker.request_members.jobs import JOBS
from local_aws.sagemaker.request_members.models import MODELS
from local_aws.sagemaker.request_members.treatments import Table

REQUESTS: dict[str, Table] = JOBS | MODELS  # by operation
