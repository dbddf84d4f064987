"""IAM: who signed a request, and whether policies allow it."""
