"""A terminal that is drawn on, and left as it was found."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import termios
import tty
from collections.abc import Iterator, Sequence

_ENTER = "\x1b[?1049h\x1b[?25l"  # the other screen, no cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"


class Screen:
    """Draws whole frames on standard output, which must be a terminal."""

    def size(self) -> tuple[int, int]:
        """Columns and rows now."""
        size = shutil.get_terminal_size()
        return size.columns, size.lines

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines in place of those that were there, without flicker."""
        # Without line wrap: it may have become narrower while the frame was made. Each line is
        # cleared first: after a full one the cursor stands on its last character.
        rows = self.size()[1]
        text = "\r\n".join(f"\x1b[2K{line}" for line in lines[:rows])
        rest = "\r\n\x1b[J" if len(lines) < rows else ""
        sys.stdout.write(f"\x1b[?7l\x1b[H{text}{rest}\x1b[?7h")
        sys.stdout.flush()


@contextlib.contextmanager
def screen() -> Iterator[Screen]:
    """The terminal for the length of the block: keys are not echoed and come one by one."""
    with _keys_at_once():
        sys.stdout.write(_ENTER)
        try:
            yield Screen()
        finally:
            sys.stdout.write(_LEAVE)
            sys.stdout.flush()


@contextlib.contextmanager
def _keys_at_once() -> Iterator[None]:
    if not sys.stdin.isatty():
        yield
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)
    mode = termios.tcgetattr(keyboard)
    # Ctrl-Z would leave a shell on this screen.
    mode[6][termios.VSUSP] = bytes([os.fpathconf(keyboard, "PC_VDISABLE")])
    termios.tcsetattr(keyboard, termios.TCSANOW, mode)
    try:
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)
