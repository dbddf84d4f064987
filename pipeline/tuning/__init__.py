"""The search for hyperparameters: its pipeline and its training jobs."""
