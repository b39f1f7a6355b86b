"""What operators see of a running gateway, on a listener of its own."""
