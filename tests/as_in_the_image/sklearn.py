"""Hides scikit-learn where this folder is in PYTHONPATH: the image has none of it."""

raise ImportError("not installed in the image")
