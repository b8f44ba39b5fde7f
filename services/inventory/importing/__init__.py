"""Loading SKUs, places and adjustments from CSV and JSON Lines files."""
