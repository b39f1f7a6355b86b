"""The whole configuration, as one frozen value."""

from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.settings.admin import AdminSettings
from gateway.settings.auth import AuthSettings
from gateway.settings.field_types import FrozenMap, ModelName, RunnerName
from gateway.settings.limits import LimitsSettings
from gateway.settings.model import ModelSettings
from gateway.settings.node import Node, plain
from gateway.settings.runner import RunnerSettings
from gateway.settings.server import (
    DiscoverySettings,
    LogSettings,
    MetricsSettings,
    QueueSettings,
    ServerSettings,
    TracingSettings,
)
from gateway.settings.store import StoreSettings


class Settings(BaseSettings):
    """What the composition root hands out in slices. Build it with `load`, which adds the rules
    that reach across sections, or by keyword in a test."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        case_sensitive=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    server: ServerSettings = Field(default_factory=ServerSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    runners: FrozenMap[RunnerName, RunnerSettings] = Field(
        default_factory=dict,
        description="The processes that can run models, by name. "
        "With none, the gateway looks for what runs on this machine.",
    )
    models: FrozenMap[ModelName, ModelSettings] = Field(
        default_factory=dict, description="The names that clients send."
    )
    queue: QueueSettings = Field(default_factory=QueueSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    limits: LimitsSettings = Field(default_factory=LimitsSettings)
    discovery: DiscoverySettings = Field(default_factory=DiscoverySettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    admin: AdminSettings = Field(default_factory=AdminSettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed over: the library's own sources read the process's environment at
        construction, ignore what they do not know, and cannot say where a value came from."""
        return (init_settings,)


class DocumentSource(PydanticBaseSettingsSource):
    """The merged layers (files, then environment) as the source pydantic-settings reads."""

    def __init__(self, document: Node) -> None:
        super().__init__(Settings)
        self._document = document

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """The value of one field. Part of the interface; `__call__` hands over all at once."""
        node = self._document.get(field_name)
        return (None if node is None else plain(node)), field_name, False

    def __call__(self) -> dict[str, Any]:
        return {key: plain(node) for key, node in self._document.mapping.items()}


def validated(document: Node) -> Settings:
    """The settings that the merged layers spell. Raises pydantic's ValidationError."""
    return Settings(_build_sources=((DocumentSource(document),), {}))
