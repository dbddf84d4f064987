"""A small AWS on loopback: moto for the control plane, and what AWS does between the calls.

StartPipelineExecution executes the stored JSON definition (`execution.py`), CreateTrainingJob
runs a training job over a real /opt/ml tree (`training.py`). Nothing here sees real credentials
or calls anything beyond 127.0.0.1.
"""
