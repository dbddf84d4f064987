"""Lambda functions, each call in a child process."""
