import threading
from collections.abc import Iterator

from container.ahead import ahead

import pytest


def counted(made: list[int], count: int) -> Iterator[int]:
    for number in range(count):
        made.append(number)
        yield number


def test_all_items_come_in_their_order_also_when_there_are_none() -> None:
    assert list(ahead(iter([0, None, 2]))) == [0, None, 2]
    assert list(ahead(iter([]))) == []


def test_one_item_is_made_while_the_one_before_is_in_use() -> None:
    second = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        second.set()
        yield 2

    assert next(ahead(items())) == 1
    assert second.wait(10)


def test_no_more_than_one_item_is_made_before_it_is_asked_for() -> None:
    made: list[int] = []
    items = ahead(counted(made, 100))
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert made == [0, 1]


def test_an_error_comes_where_the_item_would_have_been() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="the second"):
        next(found)
