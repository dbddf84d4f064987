"""Pipeline definitions: the JSON document, without any service."""
