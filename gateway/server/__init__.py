"""The HTTP server round the application: connections, signals, start and stop."""
