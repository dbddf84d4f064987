"""The order of an execution's steps."""

from collections.abc import Iterable

from local_aws.definition.steps import Step, referred_steps


class Schedule:
    """The waiting, running and ended steps; an ended condition adds the steps of its branch."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self.running: set[str] = set()
        self._waiting: dict[str, Step] = {}
        self._ended: set[str] = set()
        self._branches: dict[str, list[str]] = {}  # a condition -> the steps of the branch taken
        self._conditions: dict[str, set[str]] = {}  # a step -> the conditions that it is in
        self._add(steps, set())

    def ready(self, most: int) -> list[Step]:
        """Return the steps that can begin now, in the order of the definition.

        At most `most` steps run at a time, including the running ones.
        """
        found = [step for step in self._waiting.values() if self._may_begin(step)]
        return found[: max(most - len(self.running), 0)]

    def begin(self, name: str) -> None:
        """Record that a step is running."""
        del self._waiting[name]
        self.running.add(name)

    def end(self, name: str, branch: Iterable[Step] = ()) -> None:
        """Record that a step has succeeded, and the branch that it has chosen."""
        branch = list(branch)
        self.running.discard(name)
        self._waiting.pop(name, None)
        self._ended.add(name)
        self._branches[name] = [step["Name"] for step in branch]
        self._add(branch, self._conditions.get(name, set()) | {name})

    def _add(self, steps: Iterable[Step], conditions: set[str]) -> None:
        for step in steps:
            self._waiting[step["Name"]] = step
            self._conditions[step["Name"]] = conditions

    def _may_begin(self, step: Step) -> bool:
        ordered = set(step.get("DependsOn", [])) - self._conditions[step["Name"]]
        return referred_steps(step) <= self._ended and all(map(self._is_complete, ordered))

    def _is_complete(self, name: str) -> bool:
        """Return whether a step, and for a condition also its branch, has ended."""
        return name in self._ended and all(map(self._is_complete, self._branches[name]))
