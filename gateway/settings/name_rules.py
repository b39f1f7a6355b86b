"""Names that environment variables cannot tell apart."""

from collections.abc import Iterator

from gateway.settings.environment import segment_of, variable_of
from gateway.settings.fault import Fault
from gateway.settings.locating import fault_at
from gateway.settings.node import Node
from gateway.settings.shape import Shape


def name_faults(document: Node, shape: Shape) -> Iterator[Fault]:
    """Refused whether or not a variable is set: the day one is set is too late to find out."""
    for section, remedy in (
        (("runners",), "rename one of them"),
        (("models",), "rename one of them; aliases may look alike"),
        (("limits", "tenants"), "rename one of them"),
    ):
        first: dict[str, str] = {}
        for name in document.at(*section).mapping:
            segment = segment_of(name)
            other = first.setdefault(segment, name)
            if segment and other != name:
                variable = f"{variable_of((*section, name))}__…"
                yield fault_at(
                    document,
                    shape,
                    (*section, name),
                    f"the same as {other!r} in environment variables ({variable})",
                    remedy,
                )
