"""Decisions about returns: pure, synchronous, standard library only."""
