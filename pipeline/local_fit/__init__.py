"""The code behind notebooks/local_fit.ipynb: training and pictures."""
