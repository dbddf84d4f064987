"""The account: its quotas, and the prices and sizes of its instance types."""
