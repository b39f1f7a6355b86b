"""The store: Redis or Valkey, and the few things the gateway asks of it."""

from gateway.store.errors import StoreDown, StoreUnfit
from gateway.store.library import Library
from gateway.store.script import Script
from gateway.store.store import Store

__all__ = ["Library", "Script", "Store", "StoreDown", "StoreUnfit"]
