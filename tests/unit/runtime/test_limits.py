"""The rate per client: a burst, then an even pace, and no memory that a stranger can grow."""

from hypothesis import given
from hypothesis import strategies as st

from shared.runtime import limits
from shared.runtime.limits import ClientRate


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_then_one_at_a_time() -> None:
    clock = Clock()
    rate = ClientRate(2.0, 3, header=None, clock=clock)
    assert [rate.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert rate.wait("b") == 0  # Another client is not held up.
    clock.now += 0.5
    assert [rate.wait("a"), rate.wait("a")] == [0, 0.5]
    clock.now += 60
    assert [rate.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]  # Rest earns a burst, no more.


@given(st.floats(0.1, 1_000), st.integers(1, 50), st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_never_more_than_burst_and_rate_allow_and_a_wait_is_always_long_enough(
    per_second: float, burst: int, pauses: list[float]
) -> None:
    clock = Clock()
    rate = ClientRate(per_second, burst, header=None, clock=clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        wait = rate.wait("a")
        passed += wait == 0
        assert passed <= burst + per_second * (clock.now - Clock.now) + 1e-3
        if wait:
            clock.now += wait + 1e-6
            assert rate.wait("a") == 0
            passed += 1


def test_strangers_do_not_grow_memory(monkeypatch) -> None:
    monkeypatch.setattr(limits, "_MOST_CLIENTS", 10)
    rate = ClientRate(1.0, 1, header=None, clock=Clock())
    for number in range(100):
        rate.wait(f"stranger-{number}")
        rate.wait("regular")
    assert len(rate) == 10
    assert rate.wait("regular") > 0


def test_a_gateway_names_its_clients_only_by_the_header_agreed_on() -> None:
    plain = ClientRate(1.0, 1, header=None)
    assert plain.client({b"x-client-id": b"me"}, "10.0.0.1") == "10.0.0.1"
    behind = ClientRate(1.0, 1, header="X-Client-Id")
    assert behind.client({b"x-client-id": b"me"}, "10.0.0.1") == "me"
    assert behind.client({}, "10.0.0.1") == "10.0.0.1"
    assert len(behind.client({b"x-client-id": b"x" * 9_000}, "")) == 200
