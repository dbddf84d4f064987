"""An execution: followed while it runs, then its record, its cost, and why it failed."""
