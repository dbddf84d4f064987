"""The API of tags, for all resources."""

import json
from typing import Any

from local_aws.sagemaker.requests import SageMakerRequests

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import AWSValidationException, ResourceNotFound

MOST_TAGS = 50  # of one resource

Tags = dict[str, str]


class TagsApi(SageMakerRequests):
    """The operations on tags."""

    def call_action(self) -> Any:
        """Answer a request, and store the tags of a Create request."""
        answer = super().call_action()
        if answer[0] < 300 and self._get_action().startswith("Create"):
            content = json.loads(answer[2])
            arn = next((value for name, value in content.items() if name.endswith("Arn")), None)
            if arn and arn not in self.state.tags:
                tags = self._request().get("Tags", [])
                self.state.tags[arn] = {tag["Key"]: tag["Value"] for tag in tags}
        return answer

    def list_tags(self) -> ActionResult:
        """Answer with a page of a resource's tags."""
        tags = self._tags()
        return self._page("Tags", [{"Key": key, "Value": tags[key]} for key in tags])

    def add_tags(self) -> ActionResult:
        """Add tags or replace their values; refuse too many tags."""
        tags = self._tags()
        added = {tag["Key"]: tag["Value"] for tag in self._request()["Tags"]}
        if len(tags | added) > MOST_TAGS:
            raise AWSValidationException(f"A resource has at most {MOST_TAGS} tags")
        tags |= added
        return self.list_tags()

    def delete_tags(self) -> ActionResult:
        """Delete tags by key; ignore unknown keys."""
        tags = self._tags()
        for key in self._request()["TagKeys"]:
            tags.pop(key, None)
        return EmptyResult()

    def _tags(self) -> Tags:
        """Return the tags of the resource of the request, as a mutable mapping."""
        arn = self._request()["ResourceArn"]
        if arn not in self.state.tags:
            try:  # made by CloudFormation
                found = self.sagemaker_backend._get_resource_from_arn(arn)
                tags = {tag["Key"]: tag["Value"] for tag in found.tags}
            except (AttributeError, ValueError):
                raise ResourceNotFound(f"{arn} does not exist") from None
            self.state.tags[arn] = tags
        return self.state.tags[arn]
