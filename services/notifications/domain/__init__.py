"""What people are told and when: pure decisions, no I/O, no libraries."""
