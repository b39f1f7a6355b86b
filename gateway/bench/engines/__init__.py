"""Every engine on this machine under the same load with the same weights, one after the other.

`sweep` is the way in. Each engine is started as the gateway would start it, asked directly and
through a gateway of its own in turns, and stopped before the next one starts.
"""
