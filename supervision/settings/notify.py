"""Where alerts go: apprise urls whose tokens come from the environment or from files (R16)."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import attrs

from supervision.settings.secret import Secret, SecretRef, resolve_secret
from supervision.settings.table import Table

ESCALATE_AFTER_S = 300.0
HEARTBEAT_AT = "09:00"
OFF = "off"
TOKENLESS = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "syslog", "rsyslog", "dbus", "gnome"})
"""Schemes whose url is no secret, unless it has a password; every other one carries a token."""
EXAMPLES = {
    "urls": '"tgram://env:TELEGRAM_TOKEN/CHAT"',
    "sms": '"twilio://env:TWILIO_SID:env:TWILIO_TOKEN@+15550100/+15550199"',
}

_REFERENCE = re.compile(r"\{((?:env|file):[^{}]+)\}|(env:[A-Za-z_][A-Za-z0-9_]*)")
_PASSWORD = re.compile(r"^[^/?#]*:[^/?#]*@")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_SAFE_IN_URL = ":-_.~"


@attrs.frozen(kw_only=True)
class NotifySettings:
    """`[notify]`. Urls are as in the file: secrets are still `env:NAME` or `{file:PATH}`."""

    urls: tuple[str, ...] = attrs.field(default=(), repr=False)
    """What hears every warning and critical alert."""
    sms: tuple[str, ...] = attrs.field(default=(), repr=False)
    """What hears critical ones that nobody acknowledged in time, or that nothing else delivers."""
    escalate_after_s: float = ESCALATE_AFTER_S
    heartbeat_minute: int | None = 9 * 60
    """Of the day, UTC; None for no daily sign of life."""


def read_notify(table: Table) -> NotifySettings:
    """Read `[notify]`; a token in plain text is refused."""
    settings = NotifySettings(
        urls=_urls(table, "urls"),
        sms=_urls(table, "sms"),
        escalate_after_s=table.seconds("escalate_after_s", ESCALATE_AFTER_S, low=10, high=86_400),
        heartbeat_minute=_minute(table, "heartbeat_at"),
    )
    table.done()
    return settings


def resolve_notify_url(url: str, base_dir: Path, env: Mapping[str, str]) -> Secret:
    """Return a url with its secrets in place; the whole of it is a secret then.

    Raises: SecretMissing, FileUnreadable, UnsafePermissions; none of them shows a value.
    """

    def value(found: re.Match[str]) -> str:
        secret = resolve_secret(SecretRef.parse(found[1] or found[2]), base_dir, env)
        return quote(secret.reveal(), safe=_SAFE_IN_URL)

    return Secret(_REFERENCE.sub(value, url))


def scheme_of(url: str) -> str:
    """Return what kind of service a url names."""
    return url.partition("://")[0].lower()


def _urls(table: Table, name: str) -> tuple[str, ...]:
    urls = table.texts(name) or ()
    for place, url in enumerate(urls):
        scheme, found, rest = url.partition("://")
        key = f"{name}[{place}]"
        if not (found and rest and scheme.isalnum()) or any(not " " < letter <= "~" for letter in url):
            table.wrong(key, f"a url as in {EXAMPLES[name]}", "another text")
            continue
        bare = _REFERENCE.sub("", rest)
        carries = scheme.lower() not in TOKENLESS or _PASSWORD.match(rest) is not None
        if carries and bare == rest:
            table.wrong(
                key, f"{scheme}:// with its secret as env:NAME or {{file:PATH}}", "a secret in plain text"
            )
    return urls


def _minute(table: Table, name: str) -> int | None:
    text = table.text(name, HEARTBEAT_AT)
    if text == OFF:
        return None
    found = _TIME.fullmatch(text)
    if found is None:
        table.wrong(name, 'a time of day in UTC as in "09:00", or "off"', repr(text))
        return None
    return int(found[1]) * 60 + int(found[2])
