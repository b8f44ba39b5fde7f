"""What crosses a service border: one file per producing service, one registry.

Money is an integer number of minor units of the order's currency (ISO 4217), times are UTC,
quantities are whole units, ids are strings. Readers ignore fields they do not know; new fields are
optional; anything else is a new version beside the old one.
"""
