"""Lambda and Callback steps, and Lambda functions with a Python handler."""

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

from local_aws.clients import Clients
from local_aws.definition.validation import problems
from local_aws.sagemaker.callbacks import Callbacks
from local_aws.tests.conftest import clients_of, serving
from local_aws.tests.fake_sagemaker import make_execution
from local_aws.tests.jobs import Jobs
from local_aws.tests.test_pipelines import Pipeline, train
from local_aws.tests.waiting import wait_for

import pytest
from botocore.exceptions import ClientError

HANDLER = """
import json, os, time
import boto3

def answer(event, context):
    print("asked for", event["do"])
    assert context.function_name == os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    assert 0 < context.get_remaining_time_in_millis() <= 60_000
    if event["do"] == "fail":
        raise ValueError("no such model")
    if event["do"] == "sleep":
        time.sleep(600)
    if event["do"] == "exit":
        os._exit(3)
    who = boto3.client("sts").get_caller_identity()["Arn"]
    return {"statusCode": 200, "auc": "0.9", "good": True, "who": who, "mine": os.environ["MINE"]}
"""


def zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("src/handlers.py", text)
    return buffer.getvalue()


def make_function(jobs: Jobs, text: str = HANDLER, **changes: Any) -> str:
    client = jobs.clients.client("lambda")
    arn: str = client.create_function(
        **{
            "FunctionName": f"f-{uuid.uuid4().hex[:8]}",
            "Runtime": "python3.12",
            "Handler": "src/handlers.answer",
            "Role": jobs.role,
            "Code": {"ZipFile": zipped(text)},
            "Environment": {"Variables": {"MINE": "1"}},
            "Timeout": 60,
        }
        | changes
    )["FunctionArn"]
    return arn


@pytest.fixture(scope="module")
def function(jobs: Jobs) -> str:
    return make_function(jobs)


OUTPUTS = [
    {"OutputName": "statusCode", "OutputType": "String"},
    {"OutputName": "auc", "OutputType": "Float"},
    {"OutputName": "good", "OutputType": "Boolean"},
    {"OutputName": "who", "OutputType": "String"},
]


def step(arn: str, do: str, **changes: Any) -> dict[str, Any]:
    return {
        "Name": "Ask",
        "Type": "Lambda",
        "Arguments": {"do": do},
        "FunctionArn": arn,
        "OutputParameters": OUTPUTS,
    } | changes


def output(name: str, of: str = "Ask") -> dict[str, str]:
    return {"Get": f"Steps.{of}.OutputParameters['{name}']"}


def gate(left: Any, right: Any) -> dict[str, Any]:
    condition = {"Type": "GreaterThan", "LeftValue": left, "RightValue": right}
    arguments = {"Conditions": [condition], "IfSteps": [], "ElseSteps": []}
    return {"Name": "Gate", "Type": "Condition", "Arguments": arguments}


def test_the_outputs_of_a_function_can_be_used_in_their_types(jobs: Jobs, function: str) -> None:
    pipeline = Pipeline(jobs, step(function, "answer"), gate(output("auc"), 0.8))
    execution, (asked, gated) = pipeline.run()
    assert execution["PipelineExecutionStatus"] == "Succeeded", asked
    assert gated["Metadata"]["Condition"]["Outcome"] == "True"
    assert asked["Metadata"]["Lambda"]["Arn"] == function
    given = {o["Name"]: o["Value"] for o in asked["Metadata"]["Lambda"]["OutputParameters"]}
    assert given.pop("who").startswith("arn:aws:sts::123456789012:assumed-role/jobs-")
    assert given == {"statusCode": "200", "auc": "0.9", "good": "True"}
    logs, name = jobs.clients.client("logs"), function.rpartition(":")[2]
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    assert "asked for answer" in [event["message"] for event in events]


@pytest.mark.parametrize(
    ("do", "changes", "reason"),
    [
        ("fail", {}, "failed: ValueError: no such model"),
        ("exit", {}, "failed: Runtime.ExitError: Runtime exited with error: exit status 3"),
        (
            "answer",
            {"OutputParameters": [{"OutputName": "f1", "OutputType": "Float"}]},
            "ClientError: the output parameter f1 is missing",
        ),
        (
            "answer",
            {"OutputParameters": [{"OutputName": "who", "OutputType": "Integer"}]},
            "not of type Integer",
        ),
        ("answer", {"FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:no"}, "no"),
    ],
)
def test_a_function_that_does_not_answer_as_declared_fails_the_step(
    do: str, changes: dict[str, Any], reason: str, jobs: Jobs, function: str
) -> None:
    execution, (asked,) = Pipeline(jobs, step(function, do, **changes)).run()
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert reason in asked["FailureReason"]


def test_a_function_that_takes_too_long_is_ended(jobs: Jobs) -> None:
    _, (asked,) = Pipeline(jobs, step(make_function(jobs, Timeout=3), "sleep")).run()
    assert asked["FailureReason"].endswith("Sandbox.Timedout: Task timed out after 3.00 seconds")


def test_a_function_that_is_not_python_is_refused(jobs: Jobs) -> None:
    _, (asked,) = Pipeline(jobs, step(make_function(jobs, Runtime="nodejs20.x"), "x")).run()
    assert "local AWS runs Python handlers, not nodejs20.x" in asked["FailureReason"]


def test_new_code_of_a_function_is_run(jobs: Jobs) -> None:
    arn = make_function(jobs, "def answer(event, context): return 1")
    client = jobs.clients.client("lambda")
    client.update_function_code(
        FunctionName=arn, ZipFile=zipped("def answer(event, context): return event")
    )
    answer = client.invoke(FunctionName=arn, Payload=b'{"a": [1]}')
    assert json.loads(answer["Payload"].read()) == {"a": [1]}


def test_a_cached_function_is_not_invoked_again(jobs: Jobs, function: str) -> None:
    caching = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}
    pipeline = Pipeline(jobs, step(function, "answer", **caching), gate(output("auc"), 0.8))
    first, _ = pipeline.run()
    execution, (asked, _) = pipeline.run()
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    found = asked["CacheHitResult"]["SourcePipelineExecutionArn"]
    assert found == first["PipelineExecutionArn"]


class Queue:
    """A queue for the callbacks of a pipeline."""

    def __init__(self, clients: Clients) -> None:
        self._sqs = clients.client("sqs")
        self.url = self._sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]

    def next(self) -> dict[str, Any]:
        found: list[Any] = []

        def received() -> list[Any]:
            found.extend(self._sqs.receive_message(QueueUrl=self.url).get("Messages", []))
            return found

        wait_for(received)
        self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=found[0]["ReceiptHandle"])
        message: dict[str, Any] = json.loads(found[0]["Body"])
        return message

    def step(self) -> dict[str, Any]:
        return {
            "Name": "Call",
            "Type": "Callback",
            "Arguments": {"number": 1},
            "SqsQueueUrl": self.url,
            "OutputParameters": [{"OutputName": "auc", "OutputType": "Float"}],
        }


@pytest.fixture
def queue(clients: Clients) -> Queue:
    return Queue(clients)


def test_a_callback_step_waits_for_its_answer(jobs: Jobs, queue: Queue) -> None:
    pipeline = Pipeline(jobs, queue.step(), gate(output("auc", "Call"), 0.8))
    arn = pipeline.start()
    message = queue.next()
    token = message.pop("token")
    assert message == {
        "pipelineExecutionArn": arn,
        "stepName": "Call",
        "arguments": {"number": 1},
        "status": "Executing",
    }
    answer = {"CallbackToken": token, "OutputParameters": [{"Name": "auc", "Value": "0.9"}]}
    for _ in range(2):  # the same request, sent twice
        sent = jobs.sagemaker.send_pipeline_execution_step_success(
            **answer, ClientRequestToken="x" * 32
        )
        assert sent["PipelineExecutionArn"] == arn
    execution, (called, gated) = pipeline.wait(arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert gated["Metadata"]["Condition"]["Outcome"] == "True"
    assert called["Metadata"]["Callback"] == {
        "CallbackToken": token,
        "SqsQueueUrl": queue.url,
        "OutputParameters": [{"Name": "auc", "Value": "0.9"}],
    }
    with pytest.raises(ClientError, match=f"No callback step waits for {token}"):
        jobs.sagemaker.send_pipeline_execution_step_success(**answer)


def test_a_function_and_a_callback_take_what_a_job_made_and_give_it_to_the_next(
    any_jobs: Jobs,
) -> None:
    queue = Queue(any_jobs.clients)
    artifact = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}
    asked = step(
        make_function(any_jobs, "def answer(event, context): return event"),
        "",
        Arguments={"model": artifact},
        OutputParameters=[{"OutputName": "model", "OutputType": "String"}],
    )
    called = queue.step() | {"Arguments": {"model": output("model")}}
    printed = {"Std:Join": {"On": "", "Values": ["print('auc ", output("auc", "Call"), "')"]}}
    last = train(any_jobs, printed, "Last")
    pipeline = Pipeline(any_jobs, train(any_jobs), asked, called, last)
    arn = pipeline.start()
    message = queue.next()
    any_jobs.sagemaker.send_pipeline_execution_step_success(
        CallbackToken=message["token"], OutputParameters=[{"Name": "auc", "Value": "0.9"}]
    )
    execution, steps = pipeline.wait(arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded", steps
    trained, scored = (
        steps[n]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2] for n in (0, -1)
    )
    made = any_jobs.describe(trained)["ModelArtifacts"]["S3ModelArtifacts"]
    assert message["arguments"] == {"model": made}
    assert any_jobs.log(scored) == ["auc 0.9"]


def test_a_callback_that_reports_a_failure_fails_the_step(jobs: Jobs, queue: Queue) -> None:
    pipeline = Pipeline(jobs, queue.step())
    arn = pipeline.start()
    jobs.sagemaker.send_pipeline_execution_step_failure(
        CallbackToken=queue.next()["token"], FailureReason="no data today"
    )
    _, (called,) = pipeline.wait(arn)
    assert called["StepStatus"] == "Failed"
    assert called["FailureReason"] == "ClientError: no data today"


def test_a_stopped_execution_tells_the_queue_and_waits_for_the_answer(
    jobs: Jobs, queue: Queue
) -> None:
    pipeline = Pipeline(jobs, queue.step())
    arn = pipeline.start()
    token = queue.next()["token"]
    jobs.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    message = queue.next()
    assert (message["token"], message["status"]) == (token, "Stopping")
    where = {"PipelineExecutionArn": arn}
    status = jobs.sagemaker.describe_pipeline_execution(**where)["PipelineExecutionStatus"]
    assert status == "Stopping"
    jobs.sagemaker.send_pipeline_execution_step_success(
        CallbackToken=token, OutputParameters=[{"Name": "auc", "Value": "1"}]
    )
    execution, (called,) = pipeline.wait(arn)
    assert execution["PipelineExecutionStatus"] == "Stopped"
    assert called["StepStatus"] == "Succeeded"


def test_local_aws_ends_at_once_whatever_its_steps_wait_for(tmp_path: Path) -> None:
    with serving(tmp_path) as environment:
        jobs = Jobs(clients_of(environment))
        steps = [step(make_function(jobs), "sleep"), Queue(jobs.clients).step()]
        arn = Pipeline(jobs, *steps).start()

        def begun() -> bool:
            listed = jobs.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)
            return sum(bool(each["Metadata"]) for each in listed["PipelineExecutionSteps"]) == 2

        wait_for(begun)


STACK = """
Resources:
  UserPolicy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Action: "*", Resource: "*"}]
Outputs:
  Policy: {Value: !Ref UserPolicy}
"""


def test_a_role_needs_the_permission_to_invoke_the_function(tmp_path: Path) -> None:
    (tmp_path / "stack.yml").write_text(STACK)
    stack = {"name": "s", "template": "stack.yml", "user_policy_output": "Policy"}
    (tmp_path / "local_aws.yaml").write_text(json.dumps({"stack": stack}))
    with serving(tmp_path, "--enforce-iam") as environment:
        jobs = Jobs(clients_of(environment))
        arn = make_function(jobs, "def answer(event, context): return {}")
        pipeline = Pipeline(jobs, step(arn, "answer", OutputParameters=[]))
        _, (asked,) = pipeline.run()
        said = f"not authorized to perform: lambda:InvokeFunction on resource: {arn}"
        assert said in asked["FailureReason"]
        statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn}
        jobs.clients.client("iam").put_role_policy(
            RoleName=jobs.bucket,
            PolicyName="invoke",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        execution, _ = pipeline.run()
        assert execution["PipelineExecutionStatus"] == "Succeeded"


def test_a_callback_that_nobody_answers_fails_in_the_end() -> None:
    class Sqs:
        def send_message(self, **_: str) -> None:
            pass

    step = {"Name": "Call", "Type": "Callback", "Arguments": {}, "SqsQueueUrl": "https://q"}
    execution = make_execution(step, client=lambda _: Sqs(), callbacks=Callbacks(600))
    execution.start()
    execution.join()
    reason = execution.steps()[0]["FailureReason"]
    assert reason == "ClientError: the callback was not answered in time"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"FunctionArn": None}, "FunctionArn is missing"),
        ({"OutputParameters": [{"OutputName": "a", "OutputType": "Json"}]}, "an OutputType of"),
        ({"SqsQueueUrl": "x"}, "unknown member SqsQueueUrl"),
        ({"RetryPolicies": []}, "unknown member RetryPolicies"),
    ],
)
def test_what_a_lambda_step_may_not_have_is_found(changes: dict[str, Any], problem: str) -> None:
    changed = {k: v for k, v in (step("arn", "x") | changes).items() if v is not None}
    found = problems({"Steps": [changed]})
    assert any(problem in each for each in found), found


def test_an_output_that_is_not_declared_is_found() -> None:
    found = problems({"Steps": [step("arn", "x"), gate(output("f1"), 1)]})
    assert found == ["step Gate: Steps.Ask.OutputParameters['f1']: Ask has no output parameter f1"]
