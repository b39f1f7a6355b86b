"""Stands in for llama-server where a test needs one that misbehaves. A program.

    python fake_runner.py [WORD ...] -m FILE ... --host HOST --port PORT

The words before the flags say what it does, in their order, before it serves GET /health:
`say=TEXT` prints a line, `flood=BYTES` prints that much, `exit=CODE` ends it, `fail-if=FILE` ends
it with 9 if the file exists, `busy-port-unless=FILE` makes the file and complains as llama-server
does about its port, `deaf` ignores SIGTERM, `child=FILE` starts a process that is deaf too and
writes its process id to the file, `mute` waits for ever instead of serving.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

_CHILD = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"


def main(argv: list[str]) -> None:
    for word in argv[: argv.index("-m")]:
        obey(*word.partition("=")[::2])
    serve(int(argv[argv.index("--port") + 1]))


def obey(verb: str, value: str) -> None:
    match verb:
        case "say":
            print(value, flush=True)
        case "flood":
            flood(int(value))
        case "exit":
            sys.exit(int(value))
        case "fail-if" if Path(value).exists():
            print("the weights are gone", flush=True)
            sys.exit(9)
        case "busy-port-unless" if not Path(value).exists():
            Path(value).touch()
            sys.exit("start: couldn't bind HTTP server socket, hostname: 127.0.0.1")
        case "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case "child":
            child = subprocess.Popen([sys.executable, "-S", "-c", _CHILD])
            Path(value).write_text(f"{child.pid}\n")
        case "mute":
            signal.pause()


def flood(size: int) -> None:
    line = b"x" * 99 + b"\n"
    for _ in range(size // 2 // len(line)):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.write(b"y" * (size // 2))
    sys.stdout.buffer.flush()


def serve(port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        connection, _ = listener.accept()
        with connection:
            if connection.recv(65536).startswith(b"GET /health "):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


if __name__ == "__main__":
    main(sys.argv[1:])
