"""Orders, running on real Kafka and PostgreSQL, with the other systems played by the tests."""
