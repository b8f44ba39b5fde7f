"""Quantities, where an order is shipped from, and what its reservation goes through. Values in, decisions out."""
