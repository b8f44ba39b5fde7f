"""Throughput and latency: `make bench`. Start at `scenarios.py`, what is measured, and `__main__.py`, how it runs."""
