"""The other systems and people around the suite, played: pure decisions from chance, so that tests can ask them."""

from dataclasses import dataclass

from shared.contracts.envelope import Event


@dataclass(frozen=True, slots=True)
class Saying:
    """Something to say on a topic, `after` seconds from now; the same id is the same message."""

    event: Event
    message_id: str
    after: float = 0.0
    copies: int = 1
