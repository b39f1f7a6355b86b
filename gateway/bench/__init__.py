"""A load generator for anything that speaks OpenAI's, Ollama's or Anthropic's API.

It knows nothing of the gateway's server: to it, the gateway is one more url. It runs in a process
of its own, so that what it measures does not share a core with what it measures it with.
"""
