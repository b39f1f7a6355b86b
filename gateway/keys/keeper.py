"""The keys that are in force on a replica: those of the configuration and those of the store."""

from __future__ import annotations

from gateway.keys.configured import allowance_of, configured_keys
from gateway.keys.keyring import Keyring
from gateway.keys.lookup import KeyLookup
from gateway.keys.table import KeyTable
from gateway.keys.watcher import KeyWatcher
from gateway.settings import AuthSettings, LimitsSettings
from gateway.store import Store


class KeyKeeper:
    """Owns the table and whoever keeps it up to date, over reloads of the configuration."""

    def __init__(self, store: Store, domain: str) -> None:
        self._keyring = Keyring(store, domain)
        self._watcher: KeyWatcher | None = None
        self.table = KeyTable()
        self.lookup = KeyLookup(self._keyring, self.table)

    async def apply(self, auth: AuthSettings, limits: LimitsSettings) -> None:
        """Take over a configuration; the first one also waits for the store's answer, if any."""
        self.table.configure(configured_keys(auth), allowance_of(limits))
        if auth.mode == "none":
            await self.aclose()
            self.table.forget_stored()
        elif self._watcher is None:
            watcher = KeyWatcher(self._keyring, self.table, max_age_s=auth.cache_max_age_s)
            await watcher.start()
            self._watcher = watcher
        else:
            self._watcher.max_age_s = auth.cache_max_age_s

    async def aclose(self) -> None:
        """Follow the store no more. Idempotent."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            await watcher.aclose()
