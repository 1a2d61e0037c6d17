"""What a key may do, as Binance's wallet interface tells it ("Get API Key Permission").

It has an address of its own (`sapi`) with budgets of its own. Test networks have no such interface and
no money: their published hosts are not asked, and a host on this machine is excused when it answers
that it knows no such path. Everywhere else a right that cannot be read counts as given.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from exchanges.binance.clock import VenueClock
from exchanges.binance.codes import EXCHANGE
from exchanges.binance.limits import AddressLimits
from exchanges.binance.rest import BinanceRest
from exchanges.binance.signing import Signer
from exchanges.binance.wire import AccountConfig, Row, reading, whole
from exchanges.errors import MalformedMessage, OutcomeUnknown
from exchanges.http import HttpClient
from exchanges.network import Network
from model.key_check import KeyReport, MarginMode

RESTRICTIONS_PATH = "/sapi/v1/account/apiRestrictions"
RESTRICTIONS_WEIGHT = 1
TESTNET_HOSTS = frozenset({"demo-fapi.binance.com", "testnet.binancefuture.com"})
NO_SUCH_PATH = frozenset({"http_404", "-5000"})
TRANSFERS = ("enableInternalTransfer", "permitsUniversalTransfer")
NAMED_AS_WITHDRAWAL = "withdraw"
NAMED_AS_TRANSFER = "transfer"


class KeyQuestion:
    """Asks what one key may do. Holds no connection between two questions."""

    __slots__ = ("_host", "_rest")

    def __init__(
        self,
        *,
        rest_url: str,
        sapi_url: str | None,
        network: Network,
        clock: VenueClock,
        shared: AddressLimits,
        signer: Signer,
    ) -> None:
        """Ask at ``sapi_url``; ``shared`` is the budget of that address."""
        self._host = urlsplit(rest_url).hostname or ""
        self._rest: BinanceRest | None = None
        if sapi_url:
            http = HttpClient(sapi_url, network=network, exchange=EXCHANGE)
            self._rest = BinanceRest(http, clock=clock, shared=shared, signer=signer)

    async def ask(self) -> Row | None:
        """Return the answer; None where a test network has none. Raises: ExchangeError's kinds."""
        if self._host in TESTNET_HOSTS:
            return None
        if self._rest is None:
            return {}
        try:
            found = await self._rest.read(RESTRICTIONS_PATH, weight=RESTRICTIONS_WEIGHT)
        except OutcomeUnknown as error:
            if error.code in NO_SUCH_PATH and _is_loopback(self._host):
                return None
            raise
        finally:
            await self._rest.aclose()
        if not isinstance(found, dict):
            raise MalformedMessage("apiRestrictions is no object", exchange=EXCHANGE)
        return found


def parse_key(row: Row | None, config: AccountConfig) -> KeyReport:
    """Return what apiRestrictions and accountConfig say; a row of None is a test network's silence.

    Raises: MalformedMessage.
    """
    if row is None:
        row = dict.fromkeys(("enableWithdrawals", *TRANSFERS), False)
        row |= {"enableReading": True, "enableFutures": True}
        return _report(row, config, is_play_money=True)
    return _report(row, config, is_play_money=False)


def _report(row: Row, config: AccountConfig, *, is_play_money: bool) -> KeyReport:
    with reading("apiRestrictions"):
        futures, reads = _flag(row, "enableFutures"), _flag(row, "enableReading")
        return KeyReport(
            is_read_only=None if futures is None else not futures,
            may_trade=_all_of(futures, reads, config.can_trade),
            may_withdraw=_any_named(row, NAMED_AS_WITHDRAWAL, ("enableWithdrawals",)),
            may_transfer=_any_named(row, NAMED_AS_TRANSFER, TRANSFERS),
            is_ip_bound=_flag(row, "ipRestrict"),
            expires_at_ms=whole(row.get("tradingAuthorityExpirationTime") or 0) or None,
            margin_mode=MarginMode.CROSS,
            position_mode=config.mode,
            unknown_equity="multi-assets mode" if config.multi_assets else "",
            hindrance="" if config.can_trade else "the account may not trade at present",
            is_play_money=is_play_money,
        )


def _any_named(row: Row, part: str, owed: tuple[str, ...]) -> bool | None:
    """Tell whether any right of that kind is given; None when one that is owed cannot be read."""
    flags = [_flag(row, name) for name in owed]
    others = [value for name, value in row.items() if part in name.lower() and name not in owed]
    if any(flags) or any(value is not False for value in others):
        return True
    return None if None in flags else False


def _all_of(*flags: bool | None) -> bool | None:
    return False if False in flags else None if None in flags else True


def _flag(row: Row, name: str) -> bool | None:
    value = row.get(name)
    return value if isinstance(value, bool) else None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
