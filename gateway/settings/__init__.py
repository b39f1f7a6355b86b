"""Typed, frozen configuration from defaults, files and environment, with all faults at once."""

from gateway.settings.admin import AdminSettings
from gateway.settings.auth import AuthKey, AuthSettings
from gateway.settings.fault import Fault, Origin, SettingsError
from gateway.settings.field_types import BackendKind, Profile
from gateway.settings.limits import LimitSettings, LimitsSettings
from gateway.settings.loading import Loaded, load
from gateway.settings.model import (
    ModelSettings,
    TargetOptions,
    TargetSettings,
    Timeouts,
    WaitingSettings,
)
from gateway.settings.process import load_from_process
from gateway.settings.rendering import render_effective
from gateway.settings.runner import LaunchSettings, RunnerSettings, TlsSettings
from gateway.settings.server import (
    DiscoverySettings,
    LogSettings,
    MetricsSettings,
    QueueSettings,
    ServerSettings,
    TracingSettings,
    WaitSettings,
)
from gateway.settings.settings import Settings
from gateway.settings.store import StoreSettings, StoreTlsSettings
from gateway.settings.store_url import StoreAddress

__all__ = [
    "AdminSettings",
    "AuthKey",
    "AuthSettings",
    "BackendKind",
    "DiscoverySettings",
    "Fault",
    "LaunchSettings",
    "LimitSettings",
    "LimitsSettings",
    "Loaded",
    "LogSettings",
    "MetricsSettings",
    "ModelSettings",
    "Origin",
    "Profile",
    "QueueSettings",
    "RunnerSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "StoreAddress",
    "StoreSettings",
    "StoreTlsSettings",
    "TargetOptions",
    "TargetSettings",
    "Timeouts",
    "TlsSettings",
    "TracingSettings",
    "WaitSettings",
    "WaitingSettings",
    "load",
    "load_from_process",
    "render_effective",
]
