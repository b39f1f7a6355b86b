"""The words for what went wrong with a connection: which runner, what was seen, what to do."""

from __future__ import annotations

import os
import socket
import ssl

from backends.errors import ConnectFailed, ConnectionLost, Phase, RunnerTimeout
from backends.transport.timeouts import Timeouts

_TOO_SLOW: dict[Phase, str] = {
    "connect": "could not be connected to",
    "first_byte": "did not begin to answer",
    "idle": "sent nothing in the middle of its answer",
    "total": "did not finish its answer",
}


def too_slow(url: str, phase: Phase, timeouts: Timeouts) -> RunnerTimeout:
    """A time budget ran out."""
    budget_s: float = getattr(timeouts, f"{phase}_s")
    message = f"{url} {_TOO_SLOW[phase]} within {budget_s:g} s (time-out {phase}_s)"
    return RunnerTimeout(message, phase=phase, budget_s=budget_s)


def connection_lost(url: str, seen: str, cause: Exception | None) -> ConnectionLost:
    """The connection ended; `seen` says how much of the answer had come."""
    reason = "" if cause is None else f" ({_reason(cause)})"
    return ConnectionLost(f"{url} closed the connection {seen}{reason}")


def connect_failed(url: str, cause: Exception) -> ConnectFailed:
    """There was never a connection."""
    return ConnectFailed(f"cannot connect to {url}: {_reason(cause)}{_remedy(cause)}")


def _reason(cause: Exception) -> str:
    match cause:
        case ConnectionRefusedError():
            return "connection refused"
        case socket.gaierror():
            return "host name not found"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {cause.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {(cause.reason or str(cause)).replace('_', ' ').lower()}"
        case OSError(errno=int(errno)):
            # asyncio puts the address where the reason should be.
            return os.strerror(errno).lower()
        case _:
            return str(cause) or type(cause).__name__


def _remedy(cause: Exception) -> str:
    match cause:
        case ConnectionRefusedError():
            return "; is the runner running, and listening on that address?"
        case socket.gaierror():
            return "; check the host in the runner's url, and DNS"
        case ssl.SSLCertVerificationError():
            return (
                "; set tls.ca_file to the certificate of its CA, use the name that is in the "
                "certificate, or set tls.verify to false if the network itself can be trusted"
            )
        case ssl.SSLError():
            return "; does the runner speak TLS on that port, or should the url begin with http://?"
        case _:
            return ""
