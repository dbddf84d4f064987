"""The preflight checks: problems that would make a run fail later.

A check is a function of the services and the run context. It returns a message when all is well. It
raises InputError for a failure, CheckWarning for a warning, and NotChecked when it cannot check.
"""
