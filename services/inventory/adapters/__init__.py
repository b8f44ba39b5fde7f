"""What is neither Kafka nor PostgreSQL: a gazetteer."""
