"""The step types of a pipeline, and how each is carried out."""
