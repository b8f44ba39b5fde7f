"""Orders from files: JSON Lines or CSV, a row refused by itself, safe to run again."""
