"""Column types used by every table."""

from sqlalchemy import DateTime, Text
from sqlalchemy.dialects.postgresql import JSONB

Key = Text(collation="C")
"""Ids and keys: bytewise order, so that Python's sort and the database's lock rows in the same order."""

Json = JSONB()
"""A document that is read and written whole."""

Timestamp = DateTime(timezone=True)
"""A moment; always UTC in Python."""
