"""Five rooms of identical shape; none imports another."""
