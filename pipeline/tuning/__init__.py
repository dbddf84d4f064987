"""The search for hyperparameters: what is searched, its pipeline, its training jobs."""
