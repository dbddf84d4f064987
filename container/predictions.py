"""Probabilities as text: one form for what a request is answered with and for `predict`.

Row by row in the order of the input, so that batch transform can put them beside it.
"""

from collections.abc import Callable, Iterable, Mapping


def probability_text(probability: float) -> str:
    """Nine significant digits: any two float32 differ in them, and JSON takes them as a number."""
    return f"{probability:.9g}"


def csv_lines(probabilities: Iterable[float]) -> str:
    """One probability a line, without a header, as batch transform joins it to a row."""
    return "".join(f"{probability_text(each)}\n" for each in probabilities)


def json_lines(probabilities: Iterable[float]) -> str:
    return "".join(f"{_object(each)}\n" for each in probabilities)


def json_document(probabilities: Iterable[float]) -> str:
    return f'{{"predictions": [{", ".join(map(_object, probabilities))}]}}\n'


def _object(probability: float) -> str:
    return f'{{"probability": {probability_text(probability)}}}'


WRITERS: Mapping[str, Callable[[Iterable[float]], str]] = {
    "text/csv": csv_lines,
    "application/jsonlines": json_lines,
    "application/x-jsonlines": json_lines,
    "application/json": json_document,
}
