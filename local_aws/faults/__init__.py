"""Failures of AWS that a user switches on to test a pipeline."""
