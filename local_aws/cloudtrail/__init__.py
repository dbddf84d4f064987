"""CloudTrail: the record of what was asked for, and whether it was allowed."""
