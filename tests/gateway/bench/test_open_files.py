"""The limit of open files, looked at in processes of their own: it can only be lowered for good."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def said(limit: str, code: str) -> str:
    """What `code` prints in a process with so many files."""
    script = f'ulimit {limit}; exec "$0" -c "$1"'
    words = ("sh", "-c", script, sys.executable, f"from gateway.bench.open_files import *; {code}")
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("limit", "wanted", "files"),
    [
        ("-S -n 256", 100, 256),
        ("-S -n 256", 500, 564),
        ("-n 256", 500, 256),
        ("-n 600; ulimit -S -n 256", 5000, 600),
    ],
    ids=["enough", "as-much-as-wanted", "not-allowed", "as-far-as-allowed"],
)
def test_the_limit_is_raised_as_far_as_it_is_wanted_and_allowed(
    limit: str, wanted: int, files: int
) -> None:
    assert said(limit, f"make_room({wanted}); print(limit())") == str(files)


def test_some_files_are_kept_for_other_things_than_connections() -> None:
    assert said("-n 256", "print(connections())") == "192"
    assert said("-n 32", "print(connections())") == "0"
