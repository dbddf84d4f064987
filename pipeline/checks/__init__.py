"""What would make a run fail later, found before it starts.

A check is a function of the services and the run context. It returns what it found in order, and
raises InputError for a failure, CheckWarning for a warning, NotChecked for what it lacks.
"""
