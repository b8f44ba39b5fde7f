"""The history of inventory's schema."""
