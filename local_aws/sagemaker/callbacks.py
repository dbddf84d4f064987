"""Callback steps that wait for SendPipelineExecutionStepSuccess or -Failure."""

import secrets
import threading
from dataclasses import dataclass, field

TOKEN_LENGTH = 10
LONGEST_SECONDS = 7 * 24 * 3600  # then the token is not valid any more


@dataclass
class Callback:
    """One waiting step."""

    execution_arn: str
    token: str
    answered: threading.Event = field(default_factory=threading.Event)
    outputs: dict[str, str] = field(default_factory=dict)
    failure: str | None = None  # why it failed, if it did


class Callbacks:
    """The waiting steps of all executions, by their tokens."""

    def __init__(self, longest_seconds: float = LONGEST_SECONDS) -> None:
        self.longest_seconds = longest_seconds
        self._waiting: dict[str, Callback] = {}
        self._lock = threading.Lock()

    def open(self, execution_arn: str) -> Callback:
        """Create a callback with a new token."""
        token = secrets.token_hex(TOKEN_LENGTH // 2)
        callback = self._waiting[token] = Callback(execution_arn, token)
        return callback

    def close(self, callback: Callback) -> None:
        """Accept no further answers."""
        with self._lock:
            self._waiting.pop(callback.token, None)

    def answer(self, token: str, outputs: dict[str, str], failure: str | None = None) -> str:
        """Pass an answer to its step, and return the ARN of the execution.

        Raises:
            KeyError: No step waits for this token.
        """
        with self._lock:
            callback = self._waiting.pop(token)
            callback.outputs, callback.failure = outputs, failure
            callback.answered.set()
        return callback.execution_arn
