"""Serve a model with its script, instead of a framework image: `python script_serving.py serve`.

The interpreter of an `images` entry with `python: PATH` runs this file, without local AWS. The
script (SAGEMAKER_PROGRAM, or else inference.py) has `model_fn`. It can replace the defaults by
`input_fn`, `predict_fn` and `output_fn`, or by `transform_fn`, as the README of "SageMaker
Inference Toolkit" says. The defaults read and write JSON, CSV and .npy with numpy. Nothing is
installed.
"""

from __future__ import annotations  # the interpreter may be an old one

import importlib
import io
import json
import os
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

JSON, CSV, NPY, ANY = "application/json", "text/csv", "application/x-npy", "*/*"
TEXTS = ("text/", "application/json")  # given to the script as text
NO_SCRIPT = (
    "this image is not here, only an interpreter in its place, and the model brings no script with "
    "model_fn: give `command: [...]` or `docker: true` for it in the images of local_aws.yaml"
)


class Unsupported(Exception):
    """An unsupported media type, with the status code of the answer."""


def main() -> None:
    """Load the model, and serve it until the process ends."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    script = os.environ.get("SAGEMAKER_PROGRAM", "inference.py")
    folders = [base / "code", base / "model" / "code", base / "model"]
    folder = next((each for each in folders if (each / script).is_file()), None)
    if folder is None:
        sys.exit(NO_SCRIPT)
    if (folder / "requirements.txt").is_file():
        print("local AWS: requirements.txt is not installed", file=sys.stderr, flush=True)
    sys.path.insert(0, str(folder))
    module = importlib.import_module(script[:-3] if script.endswith(".py") else script)
    if not hasattr(module, "model_fn"):
        sys.exit(f"{script} has no model_fn")
    Handler.module, Handler.model = module, module.model_fn(str(base / "model"))
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    print(f"serving {script}", flush=True)
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


class Handler(BaseHTTPRequestHandler):
    """Answers /ping and /invocations."""

    module: Any
    model: Any

    def do_GET(self) -> None:
        """Answer /ping."""
        self._answer(200 if self.path == "/ping" else 404, b"", "text/plain")

    def do_POST(self) -> None:
        """Answer /invocations."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        given = self.headers.get("Content-Type", JSON)
        wanted = self.headers.get("Accept", ANY)
        if wanted == ANY:
            wanted = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", JSON)
        try:
            answer = respond(self.module, self.model, body, given, wanted)
        except Unsupported as refusal:
            self._answer(int(str(refusal)), b"the media type is not supported", "text/plain")
        except Exception as error:  # noqa: BLE001 - the script's own
            traceback.print_exc()
            self._answer(500, f"{type(error).__name__}: {error}".encode(), "text/plain")
        else:
            content, media = answer if isinstance(answer, tuple) else (answer, wanted)
            text = content if isinstance(content, bytes) else str(content).encode()
            self._answer(200, text, media)

    def _answer(self, status: int, content: bytes, media: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Print nothing, so that the log has only the lines of the script."""


def respond(module: Any, model: Any, body: bytes, given: str, wanted: str) -> Any:
    """Answer a request with the functions of the script, or with the defaults."""
    content: Any = body.decode() if given.startswith(TEXTS) else body
    if hasattr(module, "transform_fn"):
        return module.transform_fn(model, content, given, wanted)
    data = getattr(module, "input_fn", read)(content, given)
    prediction = getattr(module, "predict_fn", predict)(data, model)
    return getattr(module, "output_fn", write)(prediction, wanted)


def read(body: Any, media: str) -> Any:
    """Convert a body to an array."""
    import numpy as np

    if media == JSON:
        return np.array(json.loads(body))
    if media.partition(";")[0] == CSV:
        return np.genfromtxt(io.StringIO(body), delimiter=",")
    if media == NPY:
        return np.load(io.BytesIO(body))
    raise Unsupported("415")


def predict(data: Any, model: Any) -> Any:
    """Return the predictions of the model."""
    return model.predict(data)


def write(prediction: Any, media: str) -> Any:
    """Convert an array to text or bytes."""
    import numpy as np

    array = np.asarray(prediction)
    if media == JSON:
        return json.dumps(array.tolist())
    if media == CSV:
        file = io.StringIO()
        np.savetxt(file, array, delimiter=",", fmt="%s")
        return file.getvalue()
    if media == NPY:
        content = io.BytesIO()
        np.save(content, array)
        return content.getvalue()
    raise Unsupported("406")


if __name__ == "__main__":
    main()
