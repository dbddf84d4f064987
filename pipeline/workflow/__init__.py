"""The parts of the definition: estimator, steps and parameters."""
