"""In which order steps run, and how many of them at a time."""

import threading
import time
from typing import Any

from local_aws.definition.validation import problems
from local_aws.tests.fake_sagemaker import (
    SageMaker,
    completed,
    fail,
    failed,
    gate,
    make_execution,
    outline,
    register,
    train,
)

import pytest

DEADLINE = 60


class Barrier:
    """Lets the jobs go on when so many of them were seen running at the same time."""

    def __init__(self, sagemaker: SageMaker, wanted: int) -> None:
        self.most = 0
        self._sagemaker, self._wanted = sagemaker, wanted
        self._inside = 0
        self._lock = threading.Condition()

    def sleep(self, _seconds: float) -> None:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
            self._lock.notify_all()
            self._lock.wait_for(lambda: self.most >= self._wanted, DEADLINE)
            self._inside -= 1


def test_steps_that_do_not_need_each_other_run_at_the_same_time() -> None:
    sagemaker = SageMaker(*[completed()] * 3)
    barrier = Barrier(sagemaker, 3)
    steps = [train(name) for name in "ABC"]
    execution = make_execution(*steps, client=lambda _: sagemaker, sleep=barrier.sleep)
    begun = time.monotonic()
    execution.start()
    execution.join()
    assert execution.status == "Succeeded"
    assert barrier.most == 3
    assert time.monotonic() - begun < DEADLINE


def test_no_more_steps_run_than_the_configuration_allows() -> None:
    sagemaker = SageMaker(*[completed()] * 5)
    barrier = Barrier(sagemaker, 2)
    steps = [train(name) for name in "ABCDE"]
    execution = make_execution(
        *steps, client=lambda _: sagemaker, sleep=barrier.sleep, most_parallel=2
    )
    execution.start()
    execution.join()
    assert execution.status == "Succeeded"
    assert barrier.most == 2


def test_a_failed_step_lets_those_that_run_end_and_starts_no_further_one() -> None:
    class EndsAfterTheFailure(SageMaker):
        def describe_it(self, noun: str, **names: str) -> dict[str, Any]:
            described = super().describe_it(noun, **names)
            has_failed = "Failed" in dict(outline(execution)).values()
            too_soon = described[f"{noun}Status"] == "Completed" and not has_failed
            return {f"{noun}Status": "InProgress"} if too_soon else described

    sagemaker = EndsAfterTheFailure(failed("AlgorithmError: no"), completed())
    steps = [train("A"), train("B"), train("C")]
    execution = make_execution(
        *steps, client=lambda _: sagemaker, sleep=lambda _: time.sleep(0.01), most_parallel=2
    )
    execution.start()
    execution.join()
    assert execution.status == "Failed"
    assert sorted(status for _, status in outline(execution)) == ["Failed", "Succeeded"]
    assert {name for name, _ in outline(execution)} == {"A", "B"}


def test_stopping_stops_every_job_that_runs() -> None:
    sagemaker = SageMaker({}, {})
    barrier = Barrier(sagemaker, 2)

    def sleep(seconds: float) -> None:
        barrier.sleep(seconds)
        execution.stop()

    execution = make_execution(train("A"), train("B"), client=lambda _: sagemaker, sleep=sleep)
    execution.start()
    execution.join()
    assert execution.status == "Stopped"
    assert sorted(outline(execution)) == [("A", "Stopped"), ("B", "Stopped")]
    assert len(sagemaker.stopped) == 2


@pytest.mark.parametrize(("value", "taken"), [(0.9, "Then"), (0.1, "Else")])
def test_what_depends_on_a_condition_waits_for_the_branch_that_was_taken(
    value: float, taken: str
) -> None:
    sagemaker = SageMaker(completed(), completed())
    steps: list[dict[str, Any]] = [
        train("After", DependsOn=["Gate"]),
        gate(value, [train("Then")], [train("Else")]),
    ]
    execution = make_execution(*steps, client=lambda _: sagemaker)
    execution.start()
    execution.join()
    assert execution.status == "Succeeded"
    assert [name for name, _ in outline(execution)] == ["Gate", taken, "After"]
    first, then = execution.steps()[1:]
    assert first["EndTime"] <= then["StartTime"]


def test_a_step_of_a_branch_that_needs_what_waits_for_its_condition_is_a_circle() -> None:
    after = register("models", a="b") | {"DependsOn": ["Gate"]}
    steps = [after, gate(0.9, [fail("") | {"DependsOn": ["Register"]}], [])]
    (found,) = problems({"Steps": steps})
    assert found.startswith("the steps depend on each other in a circle: ")
    assert problems({"Steps": [after, gate(0.9, [fail("")], [])]}) == []
