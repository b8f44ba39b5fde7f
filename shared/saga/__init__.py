"""Facts, rules and deadlines: how a process that spans services is written down."""
