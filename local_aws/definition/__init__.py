"""Pipeline definitions: the JSON document alone, without calls of services."""
