"""What notebooks/local_fit.ipynb trains with and draws."""
