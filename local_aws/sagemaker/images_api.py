"""The API of SageMaker images (of Studio). Local AWS has none, because none can be created."""

from local_aws.sagemaker.requests import SageMakerRequests

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import ResourceNotFound


class ImagesApi(SageMakerRequests):
    """The calls that read images; CreateImage is refused by name."""

    def describe_image(self) -> ActionResult:
        """Answer that the image does not exist."""
        raise ResourceNotFound(f"No Image with the name {self._request()['ImageName']} exists.")

    def describe_image_version(self) -> ActionResult:
        """Answer that the image does not exist."""
        return self.describe_image()

    def list_image_versions(self) -> ActionResult:
        """Answer that the image does not exist."""
        return self.describe_image()

    def list_images(self) -> ActionResult:
        """Answer with no image."""
        return self._page("Images", [])
