"""The evidence page of an execution: what is read back, what it shows, and the page itself."""
