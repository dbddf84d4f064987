"""A task in a thread."""

import threading


class BackgroundTask:
    """A task whose method `_run` runs in a thread after `start()`."""

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def _run(self) -> None:
        raise NotImplementedError
