"""Which runners there are, what state they are in, and which of them a model name means."""
