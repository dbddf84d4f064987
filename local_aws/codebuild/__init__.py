"""CodeBuild: runs a project's buildspec."""
