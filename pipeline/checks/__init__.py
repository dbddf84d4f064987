"""What would make a run fail later, found before it starts.

A check is a function of the services and the plan. It returns what it found in order, and raises
InputError for a failure, Doubt for a warning, NotChecked when something that it needs is missing.
"""
