"""All that the training image runs. It never imports `pipeline`, `boto3` or `sagemaker`."""
