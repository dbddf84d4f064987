"""Which steps of an execution may begin, as others end."""

from collections.abc import Iterable

from local_aws.definition.steps import Step, referred_steps


class Schedule:
    """Steps that wait, run and have ended; a condition that ends adds the steps of its branch."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self.running: set[str] = set()
        self._waiting: dict[str, Step] = {}
        self._ended: set[str] = set()
        self._branches: dict[str, list[str]] = {}  # a condition -> the steps of the branch taken
        self._conditions: dict[str, set[str]] = {}  # a step -> the conditions that it is in
        self._add(steps, set())

    def ready(self, most: int) -> list[Step]:
        """Return the steps that may begin now, in the order of the definition.

        At most `most` steps run at a time: those that run already count.
        """
        found = [step for step in self._waiting.values() if self._may_begin(step)]
        return found[: max(most - len(self.running), 0)]

    def begin(self, name: str) -> None:
        """Note that a step is running."""
        del self._waiting[name]
        self.running.add(name)

    def end(self, name: str, branch: Iterable[Step] = ()) -> None:
        """Note that a step has succeeded, and which branch it leads to."""
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
        """Return whether a step has ended, and with a condition the steps of its branch."""
        return name in self._ended and all(map(self._is_complete, self._branches[name]))
