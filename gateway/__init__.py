"""One OpenAI-compatible gateway in front of self-hosted LLM runners."""

__version__ = "0.1.0"
