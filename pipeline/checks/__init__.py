"""The preflight checks: problems that would make a run fail later.

A check is a function of the services and the run context. It returns what it found in order, and
raises InputError for a failure, CheckWarning for a warning, NotChecked for what it lacks.
"""
