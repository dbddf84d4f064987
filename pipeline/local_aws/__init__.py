"""A small AWS on loopback: moto for the control plane, and what AWS does between the calls.

StartPipelineExecution executes the stored JSON definition (`execution.py`), CreateTrainingJob
runs a training job over a real /opt/ml tree (`training.py`), StartBuild runs the buildspec
(`build.py`). Nothing here sees real credentials or calls anything beyond 127.0.0.1.
"""

from pipeline.environment import NO_CREDENTIALS, aws_environment

# moto asks boto3 for regions at import: with the user's profile, if there is one, even a wrong one.
with aws_environment(NO_CREDENTIALS):
    import moto.ec2.models  # noqa: F401
