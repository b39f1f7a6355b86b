"""Files that settings name: secrets are read in, certificates opened to see that they can be."""

from collections.abc import Iterator
from pathlib import Path

from gateway.settings.fault import Fault, Origin
from gateway.settings.locating import fault_at
from gateway.settings.node import KeyPath, Node, merged
from gateway.settings.shape import Shape

_MAX_SECRET_BYTES = 16_384


def with_file_secrets(document: Node, shape: Shape) -> tuple[Node, list[Fault]]:
    """The document, with each secret filled from its `…_file` where the environment gives none.

    Files are read at start only: a rotated secret needs a restart.
    """
    faults: list[Fault] = []
    layers = [document]
    for path, named in _named_files(document, shape, ()):
        file = Path(named)
        try:
            with file.open("rb") as stream:
                content = stream.read(_MAX_SECRET_BYTES)
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "not a path"
            problem = f"the file cannot be read: {reason}"
            faults.append(fault_at(document, shape, path, problem, "create it, or mend the path"))
            continue
        secret = (*path[:-1], path[-1].removesuffix("_file"))
        place = shape.at(secret)
        if place is None or not place.secret or document.at(*secret).value is not None:
            continue
        word = secret[-1] if secret[-1] in ("password", "token") else "key"
        text = _only_line(content, spaces=word == "password")
        if text is None:
            problem = f"the file does not hold one {word} and nothing else"
            remedy = f"write the {word} into it, on one line"
            faults.append(fault_at(document, shape, path, problem, remedy))
            continue
        layers.append(_layer(secret, text, Origin(f"file {file}"), document.origin))
    return merged(layers), faults


def _named_files(node: Node, shape: Shape, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for key, child in node.mapping.items():
        place = shape.child(key)
        if place is None:
            continue
        if place.is_file and child.text:
            yield (*path, key), child.text
        yield from _named_files(child, place, (*path, key))


def _only_line(content: bytes, *, spaces: bool) -> str | None:
    text = content.decode("ascii", errors="replace").strip()
    usable = text and text.isprintable() and text.isascii() and (spaces or " " not in text)
    return text if usable else None


def _layer(path: KeyPath, text: str, file: Origin, around: Origin) -> Node:
    node = Node(text, file)
    for key in reversed(path):
        node = Node({key: node}, around)
    return node
