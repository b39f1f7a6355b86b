"""Asks a gateway's admin listener for its state."""

from __future__ import annotations

from types import TracebackType

import msgspec

from backends.errors import BackendError
from backends.transport import Timeouts, Transport
from gateway.admin.state import PATH, State

_ASKING = Timeouts(connect_s=3.0, first_byte_s=3.0, idle_s=3.0, total_s=5.0)
_MOST_BYTES = 4 << 20
_state = msgspec.json.Decoder(State)


class NoState(Exception):
    """There is none to be had; the message says why, and what to do. `lasting`: nor will there be
    without somebody doing that."""

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting


class AdminClient:
    """Sends the token to one address and to no other: redirects are not followed."""

    def __init__(self, url: str, token: str) -> None:
        """Raises `NoState` for what is no address, and for a token that no header can carry."""
        self.url = url.rstrip("/").removesuffix(PATH)
        try:
            self._transport = Transport(self.url)
            self._head = self._transport.head("GET", PATH, [("authorization", f"Bearer {token}")])
        except ValueError as error:
            raise NoState(
                f"'{url}' is no address of an admin listener, or the token is none: {error}. "
                "Give one such as http://127.0.0.1:8081.",
                lasting=True,
            ) from error

    async def __aenter__(self) -> AdminClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.aclose()

    async def look(self) -> tuple[State, bytes]:
        """The state, and the same as the gateway wrote it. Raises `NoState`."""
        body = await self._body()
        try:
            return _state.decode(body), body
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NoState(
                f"{self.url}{PATH} is no state of a Sluicegate ({error}). Use the 'sluicegate' of "
                "the gateway's own version.",
                lasting=True,
            ) from error

    async def _body(self) -> bytes:
        try:
            response = await self._transport.send(self._head, timeouts=_ASKING)
            try:
                body = await response.read(_MOST_BYTES)
            finally:
                response.close()
        except BackendError as error:
            what = str(error).partition(";")[0]  # the rest is about runners
            raise NoState(
                f"{what}. Is the gateway running there, with admin.enabled: true?", lasting=False
            ) from error
        if response.status == 401:
            raise NoState(
                f"{self.url} does not accept this token. Give the one that the gateway has: "
                "SLUICEGATE_ADMIN__TOKEN, --token-file, or admin.token_file.",
                lasting=True,
            )
        if response.status != 200:
            raise NoState(
                f"{self.url}{PATH} answered {response.status}. Is it the admin listener of a "
                "Sluicegate (admin.port), and not the port of its clients?",
                lasting=response.status < 500,
            )
        return body
