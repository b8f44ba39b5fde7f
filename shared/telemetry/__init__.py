"""What an operator sees: one trace per order, metrics with exemplars, logs without secrets.

Nothing here may slow or stop work: queues are bounded, and what does not fit is counted and dropped.
"""
