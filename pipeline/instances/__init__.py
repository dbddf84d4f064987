"""The instance types of training jobs: quotas, prices and sizes, and which one is the smallest."""
