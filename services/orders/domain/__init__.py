"""What orders decides: pure functions over values. Start with `saga.py`."""
