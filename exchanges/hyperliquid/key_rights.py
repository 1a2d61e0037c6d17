"""What an agent's key may do (docs: "API wallets", info `userRole`, `extraAgents`, `userAbstraction`).

An agent can neither withdraw nor send; the key of a wallet can. So the signer must be an agent, and of
the very account. The venue binds no keys to addresses.
"""

from exchanges.errors import Refusal, RequestRejected
from exchanges.hyperliquid.reader import AccountReader
from exchanges.hyperliquid.rest import HyperliquidRest
from exchanges.hyperliquid.standing import Standing
from exchanges.hyperliquid.wire import parse_agent_expiry
from model.key_check import KeyReport, MarginMode
from model.leg import PositionMode

PATIENCE_S = float("inf")
MARGIN_MODES = {
    "default": MarginMode.CROSS,
    "disabled": MarginMode.CROSS,
    "unifiedAccount": MarginMode.CROSS,
    "portfolioMargin": MarginMode.PORTFOLIO,
}


async def read_key(
    *, agent: str, standing: Standing, rest: HyperliquidRest, reader: AccountReader
) -> KeyReport:
    """Ask anew what the agent is to the account. Raises: ExchangeError's kinds.

    It takes its turn among the reads: ahead of them, the checks of a start would let every view grow old.
    """
    try:
        master = await standing.ask_again()
    except RequestRejected as error:
        if error.refusal is not Refusal.AUTH:
            raise
        # Whatever it is, it is not the account's agent: it may be a wallet, which can withdraw.
        return _report(may_move_money=True if agent == reader.address else None, hindrance=str(error))
    mode = await reader.mode()
    agents = await rest.read("extraAgents", patience_s=PATIENCE_S, user=master)
    return _report(
        may_move_money=False,
        expires_at_ms=parse_agent_expiry(agents, agent),
        margin_mode=MARGIN_MODES.get(mode),
        unknown_equity="" if mode in MARGIN_MODES else f"the account mode {mode[:40]!r}",
    )


def _report(
    *,
    may_move_money: bool | None,
    hindrance: str = "",
    expires_at_ms: int | None = None,
    margin_mode: MarginMode | None = None,
    unknown_equity: str = "",
) -> KeyReport:
    return KeyReport(
        is_read_only=False,
        may_trade=not hindrance,
        may_withdraw=may_move_money,
        may_transfer=may_move_money,
        is_ip_bound=None,
        expires_at_ms=expires_at_ms,
        margin_mode=margin_mode,
        position_mode=PositionMode.ONE_WAY,
        hindrance=hindrance,
        unknown_equity=unknown_equity,
    )
