"""What models refer to: runners, backends, one another's names."""

from collections.abc import Iterator

from gateway.settings.fault import Fault
from gateway.settings.locating import fault_at
from gateway.settings.node import Node
from gateway.settings.shape import Shape
from gateway.settings.suggestion import did_you_mean


def model_faults(document: Node, shape: Shape) -> Iterator[Fault]:
    for name, model in document.at("models").mapping.items():
        yield from _backend_faults(document, shape, name, model)
        for kind in model.at("backends").mapping:
            if kind in _known_kinds(shape):
                yield from _target_faults(document, shape, name, kind)
    yield from _alias_faults(document, shape)


def _backend_faults(document: Node, shape: Shape, name: str, model: Node) -> Iterator[Fault]:
    kinds = model.at("backends").mapping
    if not kinds:
        return  # missing or empty; said elsewhere
    path = ("models", name)
    chosen = model.at("backend").value
    if chosen is None:
        problem = f"several backends ({', '.join(kinds)}) and none chosen"
        remedy = f"add backend: {next(iter(kinds))}"
        yield fault_at(document, shape, path, problem, remedy)
    elif isinstance(chosen, str) and chosen in _known_kinds(shape) and chosen not in kinds:
        yield fault_at(
            document,
            shape,
            (*path, "backend"),
            "the model has no such backend",
            f"{did_you_mean(chosen, kinds)} Or add it under backends",
        )
    for number, entry in enumerate(model.at("fallback").items):
        if entry.text in _known_kinds(shape) and entry.text not in kinds:
            yield fault_at(
                document,
                shape,
                (*path, "fallback", str(number)),
                "the model has no such backend",
                f"{did_you_mean(str(entry.text), kinds)} Or add it under backends",
            )


def _known_kinds(shape: Shape) -> tuple[str, ...]:
    place = shape.at(("runners", "", "backend"))
    return place.choices if place else ()


def _target_faults(document: Node, shape: Shape, name: str, kind: str) -> Iterator[Fault]:
    path = ("models", name, "backends", kind)
    target, runners = document.at(*path), document.at("runners").mapping
    asks = [node for node in target.at("options").mapping.values() if node.value is not None]
    if asks and kind != "ollama":
        yield fault_at(
            document,
            shape,
            (*path, "options"),
            f"only ollama takes options, not {kind}",
            "remove them, and set the like where the runner is started",
        )
    for number, entry in enumerate(target.at("runners").items):
        here = (*path, "runners", str(number))
        if entry.text is None:
            continue
        if entry.text not in runners:
            yield fault_at(
                document, shape, here, "no such runner", did_you_mean(entry.text, runners)
            )
        elif runners[entry.text].at("backend").value not in (kind, None):
            actual = runners[entry.text].at("backend").value
            fitting = [n for n, r in runners.items() if r.at("backend").value == kind]
            yield fault_at(
                document,
                shape,
                here,
                f"a runner of backend {actual}, not {kind}",
                f"name one of: {', '.join(fitting)}" if fitting else f"add one of backend {kind}",
            )


def _alias_faults(document: Node, shape: Shape) -> Iterator[Fault]:
    models = document.at("models").mapping
    owners = {name: name for name in models}
    for name, model in models.items():
        for number, alias in enumerate(model.at("aliases").items):
            owner = owners.setdefault(alias.text or name, name)
            if alias.text is not None and owner != name:
                path = ("models", name, "aliases", str(number))
                problem = f"already a name of the model {owner!r}"
                yield fault_at(document, shape, path, problem, "keep it in one place")
