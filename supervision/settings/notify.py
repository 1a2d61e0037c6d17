"""Where alerts go: apprise urls whose tokens come from the environment."""

from collections.abc import Sequence

from supervision.settings.secret import names_variables
from supervision.settings.table import Table

CARRY_TOKENS = frozenset(
    {"tgram", "twilio", "slack", "discord", "pover", "msteams", "vonage", "sinch", "opsgenie"}
)
"""Schemes whose url is a secret in itself."""


def read_notify_urls(table: Table) -> tuple[str, ...]:
    """Read `[notify] urls`; a token in plain text is refused."""
    urls: Sequence[str] = table.texts("urls") or ()
    table.done()
    for place, url in enumerate(urls):
        scheme, found, rest = url.partition("://")
        if not (found and rest and scheme.isalnum()):
            table.wrong(f"urls[{place}]", 'a url as in "tgram://env:TELEGRAM_TOKEN/CHAT"', "another text")
        elif scheme.lower() in CARRY_TOKENS and not names_variables(url):
            table.wrong(f"urls[{place}]", f"{scheme}:// with its token as env:NAME", "a token in plain text")
    return tuple(urls)
