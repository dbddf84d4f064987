"""Tasks that run in a thread of their own."""

import threading


class BackgroundTask:
    """Something with a `_run` method, which begins with `start()`."""

    def start(self) -> None:
        """Run it in a thread of its own."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def _run(self) -> None:
        raise NotImplementedError
