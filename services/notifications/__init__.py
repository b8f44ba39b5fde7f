"""Notifications: what people are told about their orders."""
