"""What the gateway tells about itself: metrics, the access record, logs and spans."""
