"""SageMaker: the API over moto, jobs, endpoints and executions of pipelines."""
