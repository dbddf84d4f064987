"""Images of SageMaker, which Studio and projects name: none can be made here, so none is there."""

from local_aws.sagemaker.requests import SageMakerRequests

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import ResourceNotFound


class ImagesApi(SageMakerRequests):
    """The calls of the SageMaker API that ask for one; CreateImage is refused by name."""

    def describe_image(self) -> ActionResult:
        """Answer that the image is not there."""
        raise ResourceNotFound(f"No Image with the name {self._request()['ImageName']} exists.")

    def describe_image_version(self) -> ActionResult:
        """Answer that the image is not there."""
        return self.describe_image()

    def list_image_versions(self) -> ActionResult:
        """Answer that the image is not there."""
        return self.describe_image()

    def list_images(self) -> ActionResult:
        """Answer with no image."""
        return self._page("Images", [])
