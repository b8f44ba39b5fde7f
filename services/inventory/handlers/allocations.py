"""An allotment as it is said: with the weight and size of a unit, where the catalogue knows them."""

from collections.abc import Mapping

from services.inventory.domain.catalogue import Sku
from services.inventory.domain.sourcing import Allotment
from shared.contracts.envelope import Size
from shared.contracts.inventory import Allocation


def allocation(allotment: Allotment, skus: Mapping[str, Sku]) -> Allocation:
    """Units of a line at a place."""
    sku = skus[allotment.sku]
    size = sku.size
    return Allocation(
        place_id=allotment.place_id,
        line_id=allotment.line_id,
        sku=allotment.sku,
        quantity=allotment.quantity,
        unit_weight_g=sku.weight_g,
        unit_size=(
            Size(length_mm=size.length_mm, width_mm=size.width_mm, height_mm=size.height_mm)
            if size is not None
            else None
        ),
    )
