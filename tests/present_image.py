"""The image that pipeline.yaml stands for."""

from pipeline.image import NONE, image_tag
from pipeline.settings import DEFAULT_CONFIG, load_settings

BASE_IMAGE = load_settings(DEFAULT_CONFIG).base_image
TAG = image_tag(NONE, BASE_IMAGE)
