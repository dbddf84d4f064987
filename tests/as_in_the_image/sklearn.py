"""Stands before scikit-learn in PYTHONPATH: the image has none, and XGBoost starts faster without."""

raise ImportError("not installed in the image")
