"""Chaos: the whole suite under load while processes, servers and networks fail, and the books checked afterwards."""
