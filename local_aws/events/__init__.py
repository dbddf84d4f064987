"""EventBridge: events of SageMaker, and targets of rules."""
