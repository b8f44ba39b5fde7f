"""Labels are drawn when they are asked for, and not before there is a carrier or after the address is gone."""

from services.fulfillment.jobs import erase_addresses
from tests.component.fulfillment.world import World, confirmed


async def test_a_booked_parcel_has_a_label_as_pdf_and_as_zpl(world: World) -> None:
    [parcel] = await world.ship(confirmed())
    for form in ("pdf", "zpl"):
        problem = await world.get(f"/shipments/{parcel}/label.{form}", expect=409)
        assert "/book" in problem["detail"]
    await world.post(f"/shipments/{parcel}/pick")
    await world.post(f"/shipments/{parcel}/pack", {"weight_g": 1250})
    number = (await world.post(f"/shipments/{parcel}/book"))["tracking_number"]
    pdf = await world.service.http.get(f"/shipments/{parcel}/label.pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF-")
    assert pdf.content.rstrip().endswith(b"%%EOF")
    zpl = (await world.service.http.get(f"/shipments/{parcel}/label.zpl")).text
    assert f"^FD>;>800{number}^FS" in zpl
    assert "1.250 kg" in zpl
    assert "Jos_C3_A9 _5EXA_7EJA _C5_BB_C3_B3_C5_82_C4_87" in zpl
    assert zpl.count("^XA") == 1
    await world.get("/shipments/nobody/label.pdf", expect=404)


async def test_addresses_are_erased_when_all_parcels_have_long_ended(world: World) -> None:
    order = confirmed()
    [parcel] = await world.ship(order)
    for step in ("pick", "pack", "dispatch"):
        await world.post(f"/shipments/{parcel}/{step}")
    old = "UPDATE fulfillment_orders SET recorded_at = now() - interval '200 days' WHERE order_id = :order_id"
    await world.service.rows(old, order_id=order.order_id)
    kept = "SELECT recipient IS NOT NULL AS kept FROM fulfillment_orders WHERE order_id = :order_id"
    await erase_addresses(world.service.service)
    assert await world.service.rows(kept, order_id=order.order_id) == [{"kept": True}]
    await world.post(f"/shipments/{parcel}/lost")
    await erase_addresses(world.service.service)
    assert await world.service.rows(kept, order_id=order.order_id) == [{"kept": False}]
    assert (await world.get(f"/shipments/{parcel}/label.pdf", expect=410))["code"] == "address_erased"
    assert (await world.get(f"/shipments/{parcel}"))["state"] == "lost"
