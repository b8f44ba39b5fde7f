"""Inventory: how many units are where, and for whom they are held."""
