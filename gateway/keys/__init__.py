"""API keys: their texts, their records in the store, and those that a replica has in memory."""
