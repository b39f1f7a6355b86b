"""Defaults < base file < profile file < environment, and every fault in one go."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from gateway.settings.admin_rules import admin_faults
from gateway.settings.auth_rules import auth_faults
from gateway.settings.derivation import with_derived
from gateway.settings.environment import read_environment
from gateway.settings.explanation import explained
from gateway.settings.fault import DEFAULT, Fault, Origin, SettingsError
from gateway.settings.field_types import Profile
from gateway.settings.layer import literal_secrets, settled
from gateway.settings.locations import ConfigFile, base_file, profile_file, profile_of
from gateway.settings.masking import shown
from gateway.settings.model_rules import model_faults
from gateway.settings.name_rules import name_faults
from gateway.settings.node import KeyPath, Node, merged
from gateway.settings.runner_rules import runner_faults
from gateway.settings.secret_files import with_file_secrets
from gateway.settings.settings import Settings, validated
from gateway.settings.shape import Shape
from gateway.settings.state_folder import with_state_folder
from gateway.settings.store_rules import store_faults
from gateway.settings.yaml_file import read_yaml


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings that passed every check, and where each value came from."""

    settings: Settings
    profile: Profile
    files: tuple[Path, ...]
    _origins: Mapping[KeyPath, Origin] = field(repr=False)

    def origin(self, path: tuple[str, ...]) -> str:
        """`config/gateway.yaml:12`, `environment SLUICEGATE_…`, `file …` or `default`."""
        return str(self._origins.get(path, DEFAULT))


def load(environ: Mapping[str, str], *, cwd: Path, base: Path | None = None) -> Loaded:
    """Read the files and the variables; relative paths start at `cwd`.

    Raises SettingsError with every fault there is, and nothing else, whatever files and variables
    hold. A file that is no YAML hides the faults that only its content could show.
    """
    shape = Shape.of(Settings)
    profile, faults = profile_of(environ)
    reading = _Reading(cwd, shape, faults)
    files = reading.files(environ, base, profile)
    variables, stray = read_environment(environ, files, shape)
    faults += stray
    if reading.incomplete or profile is None:
        raise SettingsError(faults)
    document = with_derived(merged([files, settled(variables, shape, cwd)]))
    read_first = reading.read[0] if reading.read else None
    document = with_state_folder(document, environ, read_first, profile)
    document, unread = with_file_secrets(document, shape)
    faults += unread
    faults += _rule_faults(document, shape, profile)
    try:
        settings = validated(document)
    except ValidationError as exc:
        # Not chained: pydantic's own text quotes values.
        raise SettingsError([*faults, *explained(exc, document, shape)]) from None
    if faults:
        raise SettingsError(faults)
    return Loaded(settings, profile, tuple(reading.read), dict(_origins(document, ())))


@dataclass(slots=True)
class _Reading:
    """The files, weakest first."""

    cwd: Path
    shape: Shape
    faults: list[Fault]
    read: list[Path] = field(default_factory=list)
    incomplete: bool = False  # something could not be read, so that rules would guess

    def files(self, environ: Mapping[str, str], base: Path | None, profile: Profile | None) -> Node:
        named, faults = base_file(environ, base, self.cwd)
        self.faults += faults
        self.incomplete = bool(faults)
        if named is None:
            return merged([])
        layers = [self._layer(named, "name a file that exists")]
        overlay = profile_file(named, profile, self.cwd) if profile is not None else None
        if overlay is not None:
            remedy = "create it (it may be empty), or choose another profile"
            layers.append(self._layer(overlay, remedy))
        return merged(layers)

    def _layer(self, file: ConfigFile, remedy: str) -> Node:
        try:
            node, faults = read_yaml(file.path, file.label)
        except FileNotFoundError:
            node, faults = None, [Fault(file.blame, "", shown(file.label), "no such file", remedy)]
        self.faults += faults
        if node is None:
            self.incomplete = True
            return merged([])
        self.read.append(file.path)
        self.faults += literal_secrets(node, self.shape)
        return settled(node, self.shape, file.path.parent)


def _rule_faults(document: Node, shape: Shape, profile: Profile) -> Iterator[Fault]:
    yield from auth_faults(document, shape, profile)
    yield from admin_faults(document, shape)
    yield from runner_faults(document, shape)
    yield from model_faults(document, shape)
    yield from store_faults(document, shape)
    yield from name_faults(document, shape)


def _origins(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, Origin]]:
    children = node.mapping or {str(i): item for i, item in enumerate(node.items)}
    for key, child in children.items():
        yield (*path, key), child.origin
        yield from _origins(child, (*path, key))
