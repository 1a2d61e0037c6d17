"""What a key may do and how its account is set (V5 "Get API Key Information", "Get Account Info")."""

from collections.abc import Mapping
from datetime import datetime

import attrs

from exchanges.bybit.rest import Answer
from exchanges.bybit.wire import Row, reading, whole
from model.key_check import KeyReport, MarginMode

KEY_PATH = "/v5/user/query-api"
ACCOUNT_PATH = "/v5/account/info"

TRADING = frozenset({"Order", "Position"})
"""Both are owed under `ContractTrade`: the second one sets leverage."""
NOT_MONEY = frozenset({"SubMemberTransferList"})
"""A listing, whatever its name says."""
MARGIN_MODES = {
    "REGULAR_MARGIN": MarginMode.CROSS,
    "ISOLATED_MARGIN": MarginMode.ISOLATED,
    "PORTFOLIO_MARGIN": MarginMode.PORTFOLIO,
}
CLASSIC, UNIFIED = frozenset({1}), frozenset({3, 4, 5, 6})
READ_ONLY = {0: False, 1: True}
EVERYWHERE = frozenset({"", "*", "0.0.0.0", "0.0.0.0/0", "::/0"})


def parse_key(key: Answer, account: Answer) -> KeyReport:
    """Return what query-api and account/info say. Raises: MalformedMessage for what is no such answer.

    A word in a group that may move money is a right to do so, whether we know it or not.
    """
    with reading("query-api"):
        row = key.result
        is_read_only = READ_ONLY.get(whole(row["readOnly"]))
        rights = _rights(row.get("permissions"))
        report = KeyReport(
            is_read_only=is_read_only,
            may_trade=None if rights is None else rights.may_trade and is_read_only is False,
            may_withdraw=None if rights is None else rights.may_withdraw,
            may_transfer=None if rights is None else rights.may_transfer,
            is_ip_bound=_is_ip_bound(row.get("ips")),
            expires_at_ms=_expiry_ms(row.get("expiredAt")),
        )
    with reading("account/info"):
        return attrs.evolve(
            report,
            is_unified=_is_unified(account.result),
            margin_mode=MARGIN_MODES.get(str(account.result.get("marginMode"))),
            unknown_equity=(
                "portfolio margin" if account.result.get("marginMode") == "PORTFOLIO_MARGIN" else ""
            ),
        )


@attrs.frozen(kw_only=True)
class _Rights:
    may_trade: bool
    may_withdraw: bool
    may_transfer: bool


def _rights(permissions: object) -> _Rights | None:
    """Return the rights in the groups of `permissions`; None where they cannot be read."""
    if not isinstance(permissions, Mapping) or "Wallet" not in permissions:
        return None
    words: dict[str, list[str]] = {}
    for group, listed in permissions.items():
        if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
            return None
        words[str(group)] = [word for word in listed if word and word not in NOT_MONEY]
    everywhere = [word.lower() for listed in words.values() for word in listed]
    moving = [
        word.lower()
        for group, listed in words.items()
        for word in listed
        if group == "Wallet" or group.startswith("Fiat") or "transfer" in word.lower()
    ]
    return _Rights(
        may_trade=set(words.get("ContractTrade", ())) >= TRADING,
        may_withdraw=any("withdraw" in word for word in everywhere),
        may_transfer=any("withdraw" not in word for word in moving),
    )


def _is_ip_bound(ips: object) -> bool | None:
    if not isinstance(ips, list) or not all(isinstance(ip, str) for ip in ips):
        return None
    return bool(ips) and not any(ip.strip() in EVERYWHERE for ip in ips)


def _expiry_ms(text: object) -> int | None:
    """Return the key's last moment; a key that is bound to addresses has none, told as 1970."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    milliseconds = int(moment.timestamp() * 1000) if moment.tzinfo else 0
    return milliseconds if milliseconds > 0 else None


def _is_unified(info: Row) -> bool | None:
    status = whole(info["unifiedMarginStatus"])
    return True if status in UNIFIED else False if status in CLASSIC else None
