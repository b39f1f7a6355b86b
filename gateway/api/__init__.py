"""The control plane: health, models, metrics, documentation, and the shape of errors."""
