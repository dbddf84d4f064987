"""ECR: repositories, with a registry that Docker can push to and pull from."""
