"""What runs a service: settings, start order, signals, drain, health, HTTP and the command line."""
