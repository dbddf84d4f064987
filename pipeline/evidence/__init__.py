"""The evidence page of an execution: facts, checklist, pictures and page."""
