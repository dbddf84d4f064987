"""Models of a framework image, served by their script with an interpreter in the image's place."""

from typing import Any

from local_aws.runners.script_serving import CSV, JSON, NPY, Unsupported, read, write
from local_aws.tests.serving import FRAMEWORK_IMAGE, Serving, archive

import pytest

FUNCTIONS = b"""
import os
def model_fn(model_dir):
    return open(os.path.join(model_dir, "model.txt")).read()
def input_fn(body, content_type):
    assert content_type == "text/csv"
    return body.splitlines()
def predict_fn(rows, model):
    if "bad" in rows:
        raise ValueError("a bad row")
    return [f"{model}:{row}" for row in rows]
def output_fn(prediction, accept):
    return "\\n".join(prediction) + "\\n", accept
"""
TRANSFORM = b"""
def model_fn(model_dir):
    return "one function"
def transform_fn(model, body, content_type, accept):
    return f"{model}:{len(body)}"
"""
ACCEPT = {"Accept": "text/csv"}


def served(serving: Serving, content: bytes = b"1\n2\n", **container: Any) -> dict[str, Any]:
    """Run a transform job with a model of the framework image; its description."""
    model = serving.model(Image=FRAMEWORK_IMAGE, **container)
    return serving.transform(model, content, TransformOutput=ACCEPT)


def test_the_functions_of_the_script_answer(serving_models: Serving) -> None:
    data = serving_models.artifact(b"m", {"code/inference.py": FUNCTIONS})
    assert serving_models.output(served(serving_models, ModelDataUrl=data)) == b"m:1\nm:2\n"


def test_the_source_can_be_an_archive_of_its_own(serving_models: Serving) -> None:
    uri = serving_models.put("sourcedir.tar.gz", archive({"my.py": TRANSFORM}))
    program = {"SAGEMAKER_PROGRAM": "my.py", "SAGEMAKER_SUBMIT_DIRECTORY": uri}
    job = served(serving_models, Environment=program)
    assert serving_models.output(job) == b"one function:4\n"


@pytest.mark.parametrize(
    ("files", "content", "said"),
    [
        ({}, b"1\n", "the model brings no script with model_fn"),
        ({"code/inference.py": FUNCTIONS}, b"bad\n", "ValueError: a bad row"),
        ({"code/inference.py": b"import no_such_module"}, b"1\n", "No module named"),
    ],
)
def test_what_goes_wrong_is_in_the_log(
    files: dict[str, bytes], content: bytes, said: str, serving_models: Serving
) -> None:
    data = serving_models.artifact(b"m", files)
    job = served(serving_models, content, ModelDataUrl=data)
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert said in "\n".join(serving_models.log(job["TransformJobName"]))


@pytest.mark.parametrize("media", [CSV, JSON, NPY])
def test_the_defaults_read_what_they_write(media: str) -> None:
    np = pytest.importorskip("numpy")
    array = np.array([[1.5, 2.0], [3.0, 4.0]])
    assert (read(write(array, media), media) == array).all()


def test_the_defaults_refuse_another_media_type() -> None:
    pytest.importorskip("numpy")
    with pytest.raises(Unsupported, match="415"):
        read(b"", "image/png")
    with pytest.raises(Unsupported, match="406"):
        write([1], "image/png")
