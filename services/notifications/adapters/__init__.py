"""What is neither Kafka nor PostgreSQL: templates and the mail server."""
