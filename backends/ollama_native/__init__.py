"""Pure translation between OpenAI's requests and replies and Ollama's own API. No I/O."""
