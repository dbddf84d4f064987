"""An iterator that is one item ahead of who walks it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The items, each made in a thread while the one before is in use.

    It pays where both sides let other threads run, as numpy and XGBoost do at length.
    """
    with ThreadPoolExecutor(1) as executor:
        following = executor.submit(_next, items)
        while found := following.result():
            following = executor.submit(_next, items)
            yield found[0]


def _next(items: Iterator[T]) -> tuple[T] | None:
    for item in items:
        return (item,)
    return None
