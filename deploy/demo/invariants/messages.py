"""Messages and mails: everything said was sent, nothing was put aside, nobody was told twice."""

from deploy.demo.invariants.databases import Databases
from deploy.demo.invariants.verdict import Submitted, Verdict, verdict


def outboxes_empty(db: Databases, _: Submitted) -> Verdict:
    """Nothing waits to be sent."""
    waiting = {service: db.one(service, "SELECT count(*) FROM outbox")[0] for service in db.services}
    faults = [f"{service} has {rows} rows" for service, rows in waiting.items() if rows]
    return verdict(f"{len(waiting)} outboxes", faults)


def dead_letters_only_planted(db: Databases, submitted: Submitted) -> Verdict:
    """Only what was made to be parked is parked."""
    query = "SELECT topic, reason, error FROM dead_letters WHERE state = 'parked' ORDER BY id"
    faults, parked = [], 0
    for service in db.services:
        letters = list(db.rows(service, query))
        parked += len(letters)
        if len(letters) != submitted.planted.get(service, 0):
            examples = ", ".join(f"{topic} ({reason}: {error[:200]})" for topic, reason, error in letters[:3])
            faults.append(
                f"{service} has {len(letters)}, planted {submitted.planted.get(service, 0)}: {examples}"
            )
    return verdict(f"{parked} parked, {sum(submitted.planted.values())} planted", faults)


def told_once(db: Databases, submitted: Submitted) -> Verdict:
    """One delivery per thing that happened, recipient and template, each under a Message-ID of its own."""
    query = """SELECT order_id, template, cause, recipient, count(*) FROM deliveries
               GROUP BY order_id, template, cause, recipient HAVING count(*) > 1"""
    deliveries, sent = db.one(
        "notifications", "SELECT count(*), count(*) FILTER (WHERE state = 'sent') FROM deliveries"
    )
    faults = [
        f"{template} of {cause} {times} times"
        for _, template, cause, _, times in db.rows("notifications", query)
    ]
    if submitted.message_ids is not None and submitted.message_ids != sent:
        faults.append(f"{sent} deliveries are sent, {submitted.message_ids} different mails arrived")
    return verdict(f"{deliveries} deliveries, {sent} sent", faults)


def everybody_was_told(db: Databases, _: Submitted) -> Verdict:
    """Each order confirmed or cancelled, parcel shipped or delivered, return and refund has its delivery."""
    told: dict[str, int] = dict(
        db.rows("notifications", "SELECT template, count(*) FROM deliveries GROUP BY template")
    )
    confirmed, cancelled, refunds = db.one(
        "orders",
        """SELECT count(*) FILTER (WHERE facts->'said' ? 'confirmed'), count(*) FILTER (WHERE state = 'cancelled'),
                  coalesce(sum((SELECT count(*) FROM jsonb_object_keys(facts->'said'->'issued'))), 0) FROM orders""",
    )
    shipped, delivered = db.one(
        "fulfillment",
        """SELECT count(*) FILTER (WHERE dispatched_at IS NOT NULL), count(*) FILTER (WHERE state = 'delivered')
           FROM shipments""",
    )
    asked, sent_back = db.one(
        "returns",
        """SELECT count(*) FILTER (WHERE origin = 'customer'), count(*) FILTER (WHERE origin <> 'customer')
           FROM returns""",
    )
    expected = {
        "order_confirmed": confirmed, "order_cancelled": cancelled, "shipment_dispatched": shipped,
        "shipment_delivered": delivered, "return_authorized": asked, "parcel_returned": sent_back,
        "refund_issued": refunds,
    }  # fmt: skip
    faults = [
        f"{n} x {name}, {told.get(name, 0)} told" for name, n in expected.items() if told.get(name, 0) != n
    ]
    return verdict(f"{sum(expected.values())} things to tell", faults)
