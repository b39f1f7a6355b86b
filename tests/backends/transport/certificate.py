"""Certificates made on the spot, by the `openssl` program that every development machine has."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate and its key, PEM."""

    cert_file: str
    key_file: str

    def server_context(self, *, client_ca: str | None = None) -> ssl.SSLContext:
        """For a server that shows this certificate, and may ask its clients for one."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
        context.load_cert_chain(self.cert_file, self.key_file)
        if client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make_certificate(folder: Path, name: str, subject_alternatives: str) -> Certificate:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program to make a certificate")
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    order = "req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={subject_alternatives}"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run([openssl, *order.split(), *subject, *files], check=True, capture_output=True)
    return Certificate(str(cert), str(key))
