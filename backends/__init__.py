"""Talk to one runner: transport, dialects, probing and launching.

This package knows nothing of routing, queues or HTTP servers; `gateway` puts many runners together.
"""
