"""What a scenario costs: processor time and memory by group of processes, statements and WAL, messages and bytes."""
