"""Approved versions of the model: their endpoint, and batches of rows that they score."""
