"""Files that settings name: keys are read in, certificates are opened to see that they can be."""

from collections.abc import Iterator
from pathlib import Path

from gateway.settings.fault import Fault, Origin
from gateway.settings.locating import fault_at
from gateway.settings.node import KeyPath, Node, merged
from gateway.settings.shape import Shape

_MAX_KEY_BYTES = 16_384


def with_file_secrets(document: Node, shape: Shape) -> tuple[Node, list[Fault]]:
    """The document, with `api_key` filled from `api_key_file` where the environment gives none.

    Files are read at start only: a rotated key needs a restart.
    """
    faults: list[Fault] = []
    read: dict[str, Node] = {}
    for path, named in _named_files(document, shape, ()):
        file = Path(named)
        try:
            with file.open("rb") as stream:
                content = stream.read(_MAX_KEY_BYTES)
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "not a path"
            problem = f"the file cannot be read: {reason}"
            faults.append(fault_at(document, shape, path, problem, "create it, or mend the path"))
            continue
        if path[-1] == "api_key_file" and _wanted(document, path):
            text = content.decode("ascii", errors="replace").strip()
            if not text.isprintable() or not text.isascii() or " " in text or not text:
                problem = "the file does not hold one key and nothing else"
                faults.append(
                    fault_at(document, shape, path, problem, "write the key into it, on one line")
                )
                continue
            origin = Origin(f"file {file}")
            read[path[1]] = Node({"api_key": Node(text, origin)}, origin)
    if not read:
        return document, faults
    secrets = Node({"runners": Node(read, document.origin)}, document.origin)
    return merged([document, secrets]), faults


def _named_files(node: Node, shape: Shape, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for key, child in node.mapping.items():
        place = shape.child(key)
        if place is None:
            continue
        if place.is_file and child.text:
            yield (*path, key), child.text
        yield from _named_files(child, place, (*path, key))


def _wanted(document: Node, path: KeyPath) -> bool:
    return document.at(*path[:-1], "api_key").value is None
