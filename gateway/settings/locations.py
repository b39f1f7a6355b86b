"""Which profile, and which files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from gateway.settings.environment import CONFIG, PROFILE, origin_of
from gateway.settings.fault import Fault, Origin
from gateway.settings.field_types import Profile
from gateway.settings.masking import shown
from gateway.settings.suggestion import nearest

_PROFILES: tuple[Profile, ...] = get_args(Profile)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file to read. `label` is its name in messages: relative where it lies below `cwd`.

    `blame` is where it was asked for, should there be no such file.
    """

    path: Path
    label: str
    blame: Origin


def profile_of(environ: Mapping[str, str]) -> tuple[Profile | None, list[Fault]]:
    """The profile that `SLUICEGATE_PROFILE` picks, dev if it is not set; None if it is none."""
    name = environ.get(PROFILE, "dev")
    for profile in _PROFILES:
        if name == profile:
            return profile, []
    near = nearest(name, _PROFILES, 0.5)
    remedy = f"did you mean {near!r}?" if near else f"give one of {', '.join(_PROFILES)}"
    return None, [Fault(origin_of(PROFILE), "profile", shown(name), "no such profile", remedy)]


def base_file(
    environ: Mapping[str, str], base: Path | None, cwd: Path
) -> tuple[ConfigFile | None, list[Fault]]:
    """`base`, else what `SLUICEGATE_CONFIG` names, else ./config/gateway.yaml if there is one."""
    named = environ.get(CONFIG)
    if base is None and named is None:
        found = cwd / "config" / "gateway.yaml"
        return (_labelled(found, cwd, Origin("default")) if _exists(found) else None), []
    if base is None and not named:
        fault = Fault(origin_of(CONFIG), "", None, "empty", "unset it, or name a file")
        return None, [fault]
    if base is not None:
        return _labelled(cwd / base, cwd, Origin("--config")), []
    return _labelled(cwd / str(named), cwd, origin_of(CONFIG)), []


def profile_file(base: ConfigFile, profile: Profile, cwd: Path) -> ConfigFile | None:
    """The profile's file beside the base file. None if there is no `profiles` folder at all."""
    folder = base.path.parent / "profiles"
    if not _exists(folder):
        return None
    return _labelled(folder / f"{profile}.yaml", cwd, origin_of(PROFILE))


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True  # something is there, and reading it will say what is wrong with it
    return True


def _labelled(path: Path, cwd: Path, blame: Origin) -> ConfigFile:
    inside = path.is_relative_to(cwd)
    return ConfigFile(path, str(path.relative_to(cwd) if inside else path), blame)
