"""The life of a delivery under any answers in any order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.domain.contact import Contact
from services.notifications.domain.delivery import (
    Delivery,
    Notice,
    Patience,
    State,
    address,
    open_delivery,
    send_again,
    settle,
)
from services.notifications.domain.mail import Accepted, Answer, Deferred, Refused, Unsent

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
PATIENCE = Patience(timedelta(seconds=30), timedelta(hours=1), timedelta(days=3))
UNKNOWN = Contact("o1", "00-a-b-01")
KNOWN = replace(UNKNOWN, known=True, email="ana@example.com")
NOTICE = Notice("o1", "order_confirmed", "o1", {})
ANSWERS: list[Answer] = [Accepted(), Refused("550 no", "550"), Deferred("451 later"), Unsent("away")]


def queued(attempts: int = 0) -> Delivery:
    return replace(open_delivery("d1", NOTICE, KNOWN, NOW), attempts=attempts)


def test_a_delivery_waits_for_its_contact() -> None:
    waiting = open_delivery("d1", NOTICE, UNKNOWN, NOW)
    assert (waiting.state, waiting.recipient) == (State.WAITING, "")
    assert address(waiting, UNKNOWN, NOW) is waiting
    later = NOW + timedelta(days=1)
    released = address(waiting, KNOWN, later)
    assert (released.state, released.recipient, released.due_at) == (State.QUEUED, "ana@example.com", later)
    assert released.version == waiting.version + 1


def test_nobody_to_tell_is_an_end_that_a_later_contact_does_not_change() -> None:
    skipped = open_delivery("d1", NOTICE, replace(KNOWN, email=None), NOW)
    assert skipped.state is State.SKIPPED
    assert address(skipped, KNOWN, NOW) is skipped
    assert send_again(skipped, NOW) is None


def test_pauses_double_up_to_the_longest() -> None:
    seconds = [PATIENCE.pause(attempt).total_seconds() for attempt in (1, 2, 3, 7, 8, 1000)]
    assert seconds == [30, 60, 120, 1920, 3600, 3600]


def test_a_deferred_mail_is_given_up_when_patience_ends() -> None:
    almost = settle(queued(9), 9, Deferred("451"), NOW + timedelta(days=3, hours=-1), PATIENCE)
    assert almost is not None
    assert almost.state is State.QUEUED
    past = settle(queued(9), 9, Deferred("451"), NOW + timedelta(days=3, minutes=-59), PATIENCE)
    assert past is not None
    assert (past.state, past.reason) == (State.FAILED, "given up: 451")


def test_a_server_that_is_away_costs_no_attempt() -> None:
    released = settle(queued(1), 1, Unsent("away"), NOW, PATIENCE)
    assert released is not None
    assert (released.state, released.attempts, released.due_at) == (State.QUEUED, 0, NOW)


@pytest.mark.parametrize("answer", ANSWERS[1:])
def test_a_late_answer_says_nothing_about_a_later_attempt(answer: Answer) -> None:
    assert settle(queued(2), 1, answer, NOW, PATIENCE) is None


def test_that_the_server_took_it_is_true_however_late_it_is_said() -> None:
    sent = settle(queued(2), 1, Accepted(), NOW, PATIENCE)
    assert sent is not None
    assert sent.state is State.SENT


@given(st.lists(st.tuples(st.sampled_from(ANSWERS), st.integers(0, 1)), max_size=30))
def test_a_delivery_ends_once_and_stays_ended(story: list[tuple[Answer, int]]) -> None:
    delivery, now, ends = queued(), NOW, 0
    for answer, late in story:
        if delivery.state is State.QUEUED:
            delivery = replace(delivery, attempts=delivery.attempts + 1)
        now += timedelta(hours=7)
        settled = settle(delivery, delivery.attempts - late, answer, now, PATIENCE)
        if settled is None:
            continue
        assert delivery.state is State.QUEUED
        assert settled.version == delivery.version + 1
        assert settled.attempts >= 0
        ends += settled.state in (State.SENT, State.FAILED)
        delivery = settled
    assert ends <= 1
    assert (delivery.state is State.QUEUED) == (ends == 0)


def test_sending_again_is_a_mail_of_its_own_and_asking_twice_is_one() -> None:
    sent = settle(queued(1), 1, Accepted(), NOW, PATIENCE)
    assert sent is not None
    again = send_again(sent, NOW)
    assert again is not None
    assert (again.state, again.attempts, again.sending) == (State.QUEUED, 0, 2)
    assert send_again(again, NOW) is again
    assert sent.message_id("x.example") == "<d1@x.example>"
    assert again.message_id("x.example") == "<d1.2@x.example>"
