"""CloudTrail: the record of requested permissions, and of the decisions about them."""
