"""Fulfillment owns parcels: from a confirmed order to delivered, lost, returned to sender or cancelled."""
