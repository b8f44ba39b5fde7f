"""The carriers this service can book. There is one that needs nobody else: the merchant's own drivers."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from services.fulfillment.adapters.fonts import Fonts
from services.fulfillment.adapters.label import describe
from services.fulfillment.adapters.label_pdf import draw_pdf
from services.fulfillment.adapters.label_zpl import draw_zpl
from services.fulfillment.adapters.sscc import sscc
from services.fulfillment.domain.carrier import Carrier, Consignment, LabelFormat
from services.fulfillment.domain.shipment import Booking, Scan


class LocalCarrier(Carrier):
    """Own drivers with handheld scanners.

    Parcels are numbered by SSCC under the merchant's GS1 prefix. Drivers' scans come by HTTP
    (`POST /tracking`) or by topic, so there is nothing to ask.
    """

    code = "local"

    def __init__(self, *, gs1_prefix: str, tracking_url: str, font: Path | None) -> None:
        self._prefix = gs1_prefix
        self._tracking_url = tracking_url
        self._fonts = Fonts(font)
        self._drawing = Lock()  # Fonts note for each document which characters it uses.

    async def book(self, consignment: Consignment, serial: int) -> Booking:
        """The next number. A transaction rolled back afterwards only leaves a gap."""
        number = sscc(self._prefix, serial)
        return Booking(self.code, number, self._tracking_url.replace("{tracking_number}", number))

    async def label(self, consignment: Consignment, booking: Booking, form: LabelFormat) -> bytes:
        """Draws the label; a PDF in a thread, because that takes milliseconds of a core."""
        content = describe(consignment, booking)
        if form == "zpl":
            return draw_zpl(content)

        def draw() -> bytes:
            with self._drawing:
                return draw_pdf(content, self._fonts)

        return await asyncio.to_thread(draw)

    async def track(self, booking: Booking) -> Sequence[Scan]:
        """Nothing: the drivers have sent what they know."""
        return ()
