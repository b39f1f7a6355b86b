"""The one place where the environment of this process is read."""

import os
from pathlib import Path

from gateway.settings.loading import Loaded, load


def load_from_process(base: Path | None = None) -> Loaded:
    """The settings of this process. `base` is stronger than `SLUICEGATE_CONFIG`.

    Raises SettingsError.
    """
    return load(os.environ, cwd=Path.cwd(), base=base)
