"""Failures of AWS that a user switches on to see what their pipeline does."""
