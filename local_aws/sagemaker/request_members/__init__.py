"""What is done with each member of a request: the one list of it.

A member that cannot be carried out and changes no result is accepted, stored, described, and named
in the log of the job. One that would change a result is refused by name. A test holds the list
against botocore's model, so that a new member is a decision.
"""

from local_aws.sagemaker.request_members.jobs import JOBS
from local_aws.sagemaker.request_members.models import MODELS
from local_aws.sagemaker.request_members.treatments import Table

REQUESTS: dict[str, Table] = JOBS | MODELS  # by operation
