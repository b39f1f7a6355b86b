"""A folder with configuration files, loaded the way the process loads them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.settings import Fault, Loaded, SettingsError, load


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path

    def write(self, name: str, content: str | bytes) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def load(self, base: str | bytes = "", /, dev: str = "", **environ: str) -> Loaded:
        """With `base` as config/gateway.yaml, `dev` as profile, SLUICEGATE_ before variables."""
        self.write("config/gateway.yaml", base)
        self.write("config/profiles/dev.yaml", dev)
        return load({f"SLUICEGATE_{k}": v for k, v in environ.items()}, cwd=self.path)

    def faults(self, base: str | bytes = "", /, dev: str = "", **environ: str) -> list[Fault]:
        with pytest.raises(SettingsError) as caught:
            self.load(base, dev=dev, **environ)
        return list(caught.value.faults)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
