"""The step types of a pipeline, and their handlers."""
