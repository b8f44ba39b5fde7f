"""PostgreSQL: one transaction object, set-based statements, ids."""
