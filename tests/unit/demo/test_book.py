"""What the demo knows of its orders, and the things it has yet to do."""

import asyncio
from collections.abc import Sequence

import pytest

from deploy.demo.agenda import Agenda, Collector
from deploy.demo.book import Book
from deploy.demo.datasets.model import Sale, Unusable
from deploy.demo.display import total


def sale(number: int) -> Sale:
    return Sale("shop", f"x{number}", {"lines": []}, ())


async def test_submitted_is_accepted_and_refused_and_duplicates() -> None:
    book = Book(10)
    first, second = await book.submit(sale(1)), await book.submit(sale(2))
    book.accept(("shop", "x1"), "id-1")
    book.refuse(second, "faulty: total")
    book.unusable(Unusable("r", "no goods"))
    book.submitted += 1
    book.duplicates += 1
    assert book.submitted == len(book.accepted) + book.refusals + book.duplicates == 4
    assert first.order_id == "id-1"
    assert book.find("id-1") is first
    assert book.open == 1


async def test_no_more_orders_are_open_than_there_is_room_for() -> None:
    book = Book(2)
    await book.submit(sale(1))
    await book.submit(sale(2))
    third = asyncio.create_task(book.submit(sale(3)))
    await asyncio.sleep(0)
    assert not third.done()
    book.over("id-1", ("shop", "x1"), cancelled=False)
    await third
    assert book.open == 2


async def test_an_end_heard_before_the_beginning_closes_the_order_once() -> None:
    book = Book(1)
    await book.submit(sale(1))
    assert book.over("id-1", ("shop", "x1"), cancelled=True) is not None
    assert book.accept(("shop", "x1"), "id-1") is None
    assert book.over("id-1", ("shop", "x1"), cancelled=True) is None
    assert book.open == 0
    assert book.cancelled == {("shop", "x1")}
    await asyncio.wait_for(book.submit(sale(2)), 1)


async def test_an_order_under_two_ids_is_an_alarm() -> None:
    book = Book(1)
    await book.submit(sale(1))
    book.accept(("shop", "x1"), "id-1")
    with pytest.raises(AssertionError, match="id-1 and id-2"):
        book.accept(("shop", "x1"), "id-2")


def test_percentiles_of_nothing_are_nothing_and_of_some_are_among_them() -> None:
    book = Book(1)
    assert book.percentiles((50, 99)) == {50: 0.0, 99: 0.0}
    book.latencies += [number / 1000 for number in range(1, 101)]
    assert book.percentiles((50, 95, 99)) == {50: 51.0, 95: 96.0, 99: 100.0}


async def test_a_failure_in_the_background_is_raised_by_the_next_check() -> None:
    agenda = Agenda()

    async def fail() -> None:
        raise ValueError("no")

    agenda.do(fail())
    while agenda.open:
        await asyncio.sleep(0)
    with pytest.raises(ValueError, match="no"):
        agenda.check()


async def test_a_closed_agenda_gives_up_what_is_not_done() -> None:
    agenda, done = Agenda(), []

    async def note() -> None:
        done.append(1)

    agenda.do(note(), after=60)
    assert agenda.open == 1
    await agenda.close()
    agenda.do(note())
    assert (agenda.open, done) == (0, [])


async def test_single_things_go_together_and_none_is_left() -> None:
    agenda = Agenda()
    sent: list[Sequence[int]] = []

    async def send(things: Sequence[int]) -> None:
        sent.append(things)

    collector = Collector(agenda, send, most=3, seconds=0.001)
    for number in range(7):
        collector.add(number)
    while agenda.open:
        await asyncio.sleep(0.001)
    assert [list(things) for things in sent] == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_metric_is_summed_over_its_series() -> None:
    page = (
        'oms_lag{topic="a",service="x"} 3.0\noms_lag{topic="b"} 4\noms_lag_seconds{topic="b"} 9\noms_rows 2\n'
    )
    assert total(page, "oms_lag") == 7
    assert total(page, "oms_rows") == 2
    assert total(page, "oms_other") is None
    assert total("", "oms_lag") is None


async def test_an_order_without_an_answer_is_not_waited_for_unless_it_turns_up() -> None:
    book = Book(10)
    lost, late = await book.submit(sale(1)), await book.submit(sale(2))
    for order in (lost, late):
        book.doubt(order)
    assert book.open == 0
    book.accept(("shop", "x2"), "id2")
    assert book.open == 1
    book.over("id2", ("shop", "x2"), cancelled=False)
    assert (book.open, book.doubtful) == (0, {("shop", "x1")})
    assert set(book.accepted) == {("shop", "x2")}
    book.doubt(late)
    assert ("shop", "x2") not in book.doubtful, "it was answered meanwhile"
