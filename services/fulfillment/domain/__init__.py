"""What may happen to parcels, decided by pure functions over values."""
