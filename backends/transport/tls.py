"""How a runner's certificate is checked, and which one we show."""

from __future__ import annotations

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS settings of one runner; the files are PEM. The default trusts the system's CAs."""

    ca_file: str | None = None
    verify: bool = True
    client_cert_file: str | None = None
    client_key_file: str | None = None

    def context(self) -> ssl.SSLContext:
        """Read the files and build the context; blocks. Raises `ValueError` naming a bad file."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as exc:
            raise ValueError(f"tls.ca_file {self.ca_file!r} cannot be used: {exc}") from exc
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_cert_file is not None:
            try:
                # Without the password, OpenSSL would ask for one on the terminal.
                context.load_cert_chain(self.client_cert_file, self.client_key_file, password="")
            except OSError as exc:
                raise ValueError(
                    f"tls.client_cert_file {self.client_cert_file!r} and tls.client_key_file "
                    f"{self.client_key_file!r} cannot be used: {exc}"
                ) from exc
        context.set_alpn_protocols(["http/1.1"])
        return context
