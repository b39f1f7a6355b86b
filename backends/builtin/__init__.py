"""The demonstration model: a tiny GGUF, shipped so that the first command ends in an answer.

README.md beside this file says what it is, how it is made and where its limits are.
"""

from __future__ import annotations

from pathlib import Path

MODEL_ID = "sluicegate-demo"
"""Public name of the model."""

DESCRIPTION = "Demonstration model: answers a few questions about Sluicegate, nothing else"
"""One sentence for people who list the models."""

CONTEXT_TOKENS = 2048
"""Longest conversation the model was made for, question and answer together."""


def model_path() -> Path:
    """Where the GGUF lies. It is package data; `backends` is always installed unpacked."""
    return Path(__file__).with_name("sluicegate-demo.gguf")
