"""Where the embedded store keeps its file unless the configuration says otherwise."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from gateway.settings.fault import DEFAULT
from gateway.settings.node import Node, merged


def with_state_folder(
    document: Node, environ: Mapping[str, str], base: Path | None, profile: str
) -> Node:
    """The document, with a folder of its own for this configuration file and profile.

    Nothing is added where the environment names no place for state.
    """
    root = _root(environ)
    if root is None or document.at("store", "state_dir").value is not None:
        return document
    folder = Node({"state_dir": Node(str(root / _name(base, profile)), DEFAULT)}, DEFAULT)
    written = document.at("store")
    if written.value is not None and not isinstance(written.value, dict):
        return document  # a fault, said elsewhere
    return merged([document, Node({"store": folder}, DEFAULT)])


def _root(environ: Mapping[str, str]) -> Path | None:
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]  # systemd
    if given.startswith("/"):
        return Path(given)
    for variable, below in (("XDG_STATE_HOME", ""), ("HOME", ".local/state")):
        place = environ.get(variable, "")
        if place.startswith("/"):
            return Path(place) / below / "sluicegate"
    return None


def _name(base: Path | None, profile: str) -> str:
    """Without a file one name for all: such gateways find the same runners."""
    if base is None:
        return f"default-{profile}"
    place = hashlib.sha256(str(base.resolve()).encode(errors="surrogateescape")).hexdigest()[:8]
    stem = re.sub(r"[^A-Za-z0-9]+", "-", base.stem).strip("-")[:24]
    return f"{stem or 'gateway'}-{profile}-{place}"
