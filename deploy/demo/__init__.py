"""The suite at work on one machine: real orders, played people and machines, a verdict."""
