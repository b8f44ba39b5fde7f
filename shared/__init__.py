"""The plumbing every service is built on; it knows no service."""
