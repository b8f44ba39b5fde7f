"""Returns as rows and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from services.returns.domain.returns import Origin, Receipt, Rejection, Return, Units, UnitsBack


def to_row(each: Return) -> dict[str, Any]:
    """All columns of a return."""
    receipt, rejection = each.receipt, each.rejection
    return {
        "return_id": each.return_id,
        "order_id": each.order_id,
        "origin": each.origin.value,
        "reference": each.reference,
        "state": each.state.value,
        "units": [asdict(units) for units in each.units],
        "authorized_at": each.authorized_at,
        "authorized_by": each.authorized_by,
        "expires_at": each.expires_at,
        "place_id": receipt.place_id if receipt else None,
        "received_units": [asdict(units) for units in receipt.units] if receipt else None,
        "value": receipt.value if receipt else None,
        "currency": receipt.currency if receipt else None,
        "received_at": receipt.at if receipt else None,
        "received_by": receipt.by if receipt else None,
        "rejected_reason": rejection.reason if rejection else None,
        "rejected_at": rejection.at if rejection else None,
        "rejected_by": rejection.by if rejection else None,
        "refunded": each.refunded,
    }


def from_row(row: Mapping[str, Any]) -> Return:
    """The return with its facts."""
    receipt = rejection = None
    if row["received_units"] is not None:
        units = tuple(UnitsBack(**back) for back in row["received_units"])
        receipt = Receipt(row["place_id"], units, row["currency"], row["received_at"], row["received_by"])
    if row["rejected_reason"] is not None:
        rejection = Rejection(row["rejected_reason"], row["rejected_at"], row["rejected_by"])
    return Return(
        return_id=row["return_id"],
        order_id=row["order_id"],
        origin=Origin(row["origin"]),
        units=tuple(Units(**units) for units in row["units"]),
        authorized_at=row["authorized_at"],
        authorized_by=row["authorized_by"],
        reference=row["reference"],
        expires_at=row["expires_at"],
        receipt=receipt,
        rejection=rejection,
        refunded=row["refunded"],
    )
