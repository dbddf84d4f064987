"""The program that calls the handler of a Lambda function, as AWS's runtime for Python does.

Its arguments are the folder of the code, the handler and the file for the answer; the event comes
on stdin. It uses only the standard library.
"""

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any


class Context:
    """The second argument of a handler."""

    def __init__(self) -> None:
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.invoked_function_arn = os.environ["LOCAL_AWS_FUNCTION_ARN"]
        self.aws_request_id = os.environ["LOCAL_AWS_REQUEST_ID"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = self.aws_request_id
        self.identity = self.client_context = None
        self._deadline = time.monotonic() + float(os.environ["LOCAL_AWS_TIMEOUT_SECONDS"])

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function times out; 0 when it has."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def main(folder: str, handler: str, answer: Path) -> int:
    """Call the handler with the event from stdin, and write its result or error as JSON.

    Args:
        folder: The function's unpacked code.
        handler: `<module>.<function>`.
        answer: The file to write.

    Returns:
        The exit code: 0 for a result, 1 for an error.
    """
    sys.path[0] = folder  # in place of this program's own
    module, _, function = handler.rpartition(".")
    try:
        event = json.load(sys.stdin)
        loaded = importlib.import_module(module.replace("/", "."))
        result: Any = getattr(loaded, function)(event, Context())
        answer.write_text(json.dumps(result))
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told
        traceback.print_exc()
        said = {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
        answer.write_text(json.dumps(said))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
