"""The scoring of one object by batch transform: read, split, send, assemble, write."""

import gzip
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any

from local_aws.clock import now
from local_aws.log_writer import LogWriter
from local_aws.sagemaker.data_processing import DataProcessing
from local_aws.sagemaker.model_server import ModelServer, NoResponse, Response
from local_aws.sagemaker.s3 import key_below, put_file, split_uri
from local_aws.sagemaker.transform_records import LINE, TooMuchData, assembled, batches, split

from botocore.exceptions import BotoCoreError, ClientError

SEE_LOGS = "See job logs for more information"
INTERNAL_ERROR = "InternalServerError: We encountered an internal error. Please try again."
INVOCATION_SECONDS, INVOCATION_RETRIES = 600, 3  # unless the request says otherwise
LARGEST_ANSWER = 2000  # characters of a refusal, in the log


class ObjectFailed(Exception):
    """An object was not scored. This error has the kind of failure; the log has the reason."""


class DataLog:
    """The data log of a transform job, in the form of SageMaker."""

    def __init__(self, log: LogWriter) -> None:
        self._log = log

    def say(self, text: str) -> None:
        """Write one line to the log."""
        time = now().isoformat(timespec="milliseconds").partition("+")[0]
        self._log.write(f"{time}:[sagemaker logs]: {text}")


class ObjectTransformer:
    """Scores the objects of one job."""

    def __init__(
        self,
        request: Mapping[str, Any],
        settings: Mapping[str, Any],  # MaxConcurrentTransforms, MaxPayloadInMB, BatchStrategy
        server: ModelServer,
        s3: Any,
        log: DataLog,
        stopped: threading.Event,
    ) -> None:
        self._source, self._target = request["TransformInput"], request["TransformOutput"]
        self._client = request.get("ModelClientConfig", {})
        self._settings = settings
        self._server = server
        self._s3 = s3
        self._log = log
        self._stopped = stopped
        self._processing = data_processing(request)
        headers = {
            "Content-Type": self._source.get("ContentType"),
            "Accept": self._target.get("Accept"),
        }
        self._headers = {name: value for name, value in headers.items() if value}
        uri = self._source["DataSource"]["S3DataSource"]["S3Uri"]
        self._bucket, self._prefix = split_uri(uri)

    def transform(self, key: str) -> str | None:
        """Score one object and write the result; return the reason of a failure, else None."""
        place = f"{self._bucket}/{key}"
        try:
            with tempfile.TemporaryFile() as content, tempfile.TemporaryFile() as result:
                for chunk in self._s3.get_object(Bucket=self._bucket, Key=key)[
                    "Body"
                ].iter_chunks():
                    content.write(chunk)
                content.seek(0)
                for part in self._results(content, place):
                    result.write(assembled(part, self._target.get("AssembleWith", "None")))
                if not self._stopped.is_set():
                    result.seek(0)
                    folder = self._target["S3OutputPath"].rstrip("/")
                    uri = f"{folder}/{key_below(self._prefix, key)}.out"
                    put_file(self._s3, uri, result, self._target.get("KmsKeyId"))
        except ObjectFailed as failure:
            return str(failure)
        except TooMuchData:
            self._log.say(f"{place}: too much data for max payload size")
            return f"ClientError: {SEE_LOGS}"
        except (ValueError, OSError, EOFError, ClientError, BotoCoreError) as error:
            self._log.say(f"{place}: {error}")
            return f"ClientError: {SEE_LOGS}"
        return None

    def _results(self, content: IO[bytes], place: str) -> Iterator[bytes]:
        """Yield the kept part of each response, in the order of the records."""
        concurrent = max(1, int(self._settings["MaxConcurrentTransforms"]))
        compressed = self._source.get("CompressionType") == "Gzip"
        lines: Any = gzip.GzipFile(fileobj=content) if compressed else content
        records = split(lines, self._source.get("SplitType", "None"))
        waiting: deque[Future[bytes]] = deque()
        with ThreadPoolExecutor(concurrent) as pool:
            for batch in batches(
                records, self._settings["BatchStrategy"], int(self._settings["MaxPayloadInMB"])
            ):
                if self._stopped.is_set():
                    return
                waiting.append(pool.submit(self._score, batch, place))
                if len(waiting) > concurrent:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _score(self, records: list[bytes], place: str) -> bytes:
        """Return the kept part of the response to these records. Raises ObjectFailed."""
        body = b"".join(self._processing.before(record) for record in records)
        response = self._answer(body)
        if self._stopped.is_set():
            return b""
        if response is None:
            self._log.say(f"{place}: Unable to get response from algorithm")
            raise ObjectFailed(INTERNAL_ERROR)
        if response.status == 200:
            return self._processing.after(records, response.body)
        kind = "ClientError" if response.status < 500 else "AlgorithmError"
        self._log.say(f"{place}: {kind}: {response.status}")
        self._log.say(f"{place}: Message:")
        for line in response.body.decode("utf-8", "replace")[:LARGEST_ANSWER].splitlines():
            self._log.say(f"{place}: {line}")
        raise ObjectFailed(f"{kind}: {SEE_LOGS}")

    def _answer(self, body: bytes) -> Response | None:
        """Retry after failures of the server; return the first success, or else the last answer."""
        seconds = self._client.get("InvocationsTimeoutInSeconds", INVOCATION_SECONDS)
        response = None
        for _ in range(1 + self._client.get("InvocationsMaxRetries", INVOCATION_RETRIES)):
            if self._stopped.is_set():
                break
            try:
                response = self._server.invoke(body, self._headers, seconds)
            except NoResponse:
                response = None
            if response and response.status < 500:
                break
        return response


def data_processing(request: Mapping[str, Any]) -> DataProcessing:
    """Return the DataProcessing of a request. Raises PathError."""
    source = request["TransformInput"]
    return DataProcessing(
        request.get("DataProcessing", {}),
        source.get("ContentType", ""),
        request["TransformOutput"].get("Accept", ""),
        by_line=source.get("SplitType") == LINE,
    )
