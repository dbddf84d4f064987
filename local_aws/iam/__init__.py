"""IAM: the authentication and the authorization of requests."""
