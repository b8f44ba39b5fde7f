"""Carriers: who takes parcels away, and the labels they want to see on them."""
