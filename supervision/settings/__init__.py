"""Configuration: what the operator wrote, checked in full before anything of it counts."""

from supervision.settings.endpoints import Network, Pacing, VenueAddresses, default_addresses
from supervision.settings.engine import (
    AuditSettings,
    EngineSettings,
    ListenAddress,
    LogFormat,
    LogLevel,
    LogSettings,
    MasterSecrets,
    MasterSettings,
    find_config,
    find_socket,
    load_settings,
    resolve_master,
)
from supervision.settings.errors import ConfigError, ConfigErrors
from supervision.settings.followers import (
    FollowerEntry,
    follower_json,
    load_followers,
    parse_follower,
    parse_followers,
)
from supervision.settings.notify import NotifySettings, resolve_notify_url
from supervision.settings.secret import Secret, SecretMissing, SecretRef, resolve_secret

__all__ = [
    "AuditSettings",
    "ConfigError",
    "ConfigErrors",
    "EngineSettings",
    "FollowerEntry",
    "ListenAddress",
    "LogFormat",
    "LogLevel",
    "LogSettings",
    "MasterSecrets",
    "MasterSettings",
    "Network",
    "NotifySettings",
    "Pacing",
    "Secret",
    "SecretMissing",
    "SecretRef",
    "VenueAddresses",
    "default_addresses",
    "find_config",
    "find_socket",
    "follower_json",
    "load_followers",
    "load_settings",
    "parse_follower",
    "parse_followers",
    "resolve_master",
    "resolve_notify_url",
    "resolve_secret",
]
