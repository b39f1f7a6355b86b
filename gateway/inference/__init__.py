"""The way of one inference request, from its bytes to the last byte of its reply."""
