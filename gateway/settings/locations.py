"""Which profile, and which files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from gateway.settings.environment import CONFIG, PROFILE, origin_of
from gateway.settings.fault import Fault
from gateway.settings.field_types import Profile
from gateway.settings.masking import shown
from gateway.settings.suggestion import nearest

_PROFILES: tuple[Profile, ...] = get_args(Profile)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file to read. `label` is its name in messages: relative where it lies below `cwd`."""

    path: Path
    label: str


def profile_of(environ: Mapping[str, str]) -> tuple[Profile, list[Fault]]:
    """The profile that `SLUICEGATE_PROFILE` picks, else dev."""
    name = environ.get(PROFILE, "dev")
    for profile in _PROFILES:
        if name == profile:
            return profile, []
    near = nearest(name, _PROFILES)
    remedy = f"did you mean {near!r}?" if near else f"give one of {', '.join(_PROFILES)}"
    return "dev", [Fault(origin_of(PROFILE), "profile", shown(name), "no such profile", remedy)]


def base_file(
    environ: Mapping[str, str], base: Path | None, cwd: Path
) -> tuple[ConfigFile | None, list[Fault]]:
    """`base`, else what `SLUICEGATE_CONFIG` names, else ./config/gateway.yaml if there is one."""
    named = environ.get(CONFIG)
    if base is None and named is None:
        found = cwd / "config" / "gateway.yaml"
        return (_labelled(found, cwd) if found.exists() else None), []
    if base is None and not named:
        fault = Fault(origin_of(CONFIG), "", None, "empty", "unset it, or name a file")
        return None, [fault]
    return _labelled(cwd / (base if base is not None else Path(named or "")), cwd), []


def profile_file(base: ConfigFile, profile: Profile, cwd: Path) -> ConfigFile | None:
    """The profile's file beside the base file. None if there is no `profiles` folder at all."""
    folder = base.path.parent / "profiles"
    return _labelled(folder / f"{profile}.yaml", cwd) if folder.exists() else None


def _labelled(path: Path, cwd: Path) -> ConfigFile:
    inside = path.is_relative_to(cwd)
    return ConfigFile(path, str(path.relative_to(cwd) if inside else path))
