"""EventBridge: carries out the targets of rules."""
