"""An emulator of AWS on loopback, for rehearsals of SageMaker pipelines.

moto answers the basic API calls. Local AWS adds what AWS does between them: StartPipelineExecution
executes the stored JSON definition (`sagemaker/execution.py`), CreateTrainingJob runs a training
job over a real /opt/ml tree (`sagemaker/training.py`), StartBuild runs the buildspec
(`codebuild/build.py`). It never sees real credentials and calls nothing beyond 127.0.0.1.
"""

import sys

from local_aws import interrupts

if sys.orig_argv[1:3] == ["-m", "local_aws"]:
    interrupts.end_quietly()
