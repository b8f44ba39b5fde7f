"""What one run of the load generator is told, and what it answers: JSON lines on its standard output."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Workload(BaseModel):
    """What the orders look like."""

    model_config = ConfigDict(frozen=True)

    skus: Literal["spread", "hot", "split"] = "spread"
    """200 SKUs that every place has; one of them; SKUs of which each lies at one place only."""
    lines: int = 1
    parcels: int = 1
    """Places that an order is shipped from."""
    scarce_share: float = 0.0
    """Share of orders that ask for what nobody has; they end with order.cancelled."""
    cancel_share: float = 0.0
    """Share of orders that their channel cancels, half when placed and half when in fulfilment; same end."""


class LoadSettings(BaseModel):
    """One run. Exactly one of `in_flight`, `rate` and `backlog` says how orders are paced."""

    model_config = ConfigDict(frozen=True)

    kafka: str
    prefix: str
    orders_database: str
    """Address for libpq of the orders database, as a role that may read it."""
    recorded: str
    """Query with one parameter, a list of order ids: those whose shipment.created (all of them) is recorded."""
    run: str
    """Begins every external id of this run."""
    workload: Workload = Workload()
    intake: Literal["topic", "http"] = "topic"
    http: str | None = None
    connections: int = 64
    ends: Literal["recorded", "accepted"] = "recorded"
    """Whether an order ends when its shipment is recorded or when its intake was answered."""
    in_flight: int | None = None
    rate: float | None = None
    backlog: int | None = None
    warm_up: float = 5.0
    seconds: float = 20.0
    slice_seconds: float = 10.0
    patience: float = 60.0
    """How long orders may take to end after the last was submitted."""


class Figures(BaseModel):
    """Latencies of some orders, in milliseconds."""

    orders: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class Mark(BaseModel):
    """A moment of the run: the parent takes its own samples at each.

    `connected` comes first, `loaded` when a backlog lies on its topic, `begin` and `end` bound the window that is
    measured, `slice` comes in between, `result` is the last.
    """

    what: Literal["connected", "loaded", "begin", "slice", "end", "result"]
    ended: int = 0
    """Orders that came to their end so far, warm-up included."""
    submitted: int = 0
    seconds: float = 0.0
    """Of the window (`result`) or since it began."""
    figures: Figures | None = None
    backends: tuple[int, ...] = ()
    """Process ids of the generator's own database sessions (`connected`)."""
    unfinished: int = 0
    unexpected: int = 0
    """Orders that ended otherwise than they should have."""
    shipped: int = 0
    cancelled: int = 0
