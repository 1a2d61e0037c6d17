"""The Protocols that every venue satisfies; actors know venues only through them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Protocol

import attrs

from model.account import AccountSnapshot, Execution, PositionReport, WalletReport
from model.instrument import Instrument
from model.key_check import KeyReport
from model.leg import Leg, PositionMode
from model.order import OrderReport, OrderRequest


@attrs.frozen(kw_only=True)
class Credentials:
    """Keys of one account; never printed."""

    api_key: str = attrs.field(repr=False)
    api_secret: str = attrs.field(repr=False)
    account: str = ""


@attrs.frozen
class Unreadable:
    """A frame that the codec refused, kept for the operator (design section 9)."""

    frame: str
    error: str


@attrs.frozen
class Heard:
    """The stream spoke without news (a pong, say): it is alive."""


StreamEvent = (
    tuple[Execution, ...] | tuple[PositionReport, ...] | OrderReport | WalletReport | Unreadable | Heard
)
"""What a private stream yields. Executions and positions of one frame come together."""


class PrivateStream(Protocol):
    """One life of an account's private stream: connected, authenticated, subscribed.

    Iteration raises StreamLost when the socket ends or is silent for too long.
    """

    def __aiter__(self) -> AsyncIterator[StreamEvent]: ...


class OrderEntry(Protocol):
    """Takes the orders of one account."""

    async def place(self, order: OrderRequest) -> OrderReport:
        """Send one order, at most once, and return the venue's acceptance.

        Raises: RequestNotSent, RequestRejected, OutcomeUnknown; nothing else.
        """

    async def warm_up(self) -> None:
        """Open what orders will leave through and keep it open; runs until cancelled."""


class AccountGateway(Protocol):
    """One account at one venue. All reads raise ExchangeError's kinds and nothing else."""

    exchange: str
    orders: OrderEntry

    def private_stream(self) -> AbstractAsyncContextManager[PrivateStream]:
        """Connect, authenticate and subscribe; raises StreamLost or RequestRejected (AUTH)."""

    async def snapshot(self) -> AccountSnapshot:
        """Read positions and wallet by REST, every page."""

    async def positions_of(self, symbol: str, *, for_exit: bool = False) -> tuple[PositionReport, ...]:
        """Read every leg of one symbol, flat ones too: tells the mode.

        The leverage of a flat leg only where it costs little; else None, and ``set_leverage`` asks.

        Args:
            for_exit: what takes risk off waits for it: it goes first where budgets are short (R13).
        """

    async def find_order(self, leg: Leg, client_order_id: str) -> OrderReport | None:
        """Ask for one order by our id. None is the venue's well-formed "not found"."""

    async def set_leverage(self, leg: Leg, leverage: Decimal) -> None:
        """Set it for the symbol; "not modified" is success."""

    async def position_mode(self, symbol: str) -> PositionMode:
        """Tell the mode the account has for the symbol."""

    async def check_key(self) -> KeyReport:
        """Ask what the key may do and how its account is set; asks anew each time.

        Raises: ExchangeError's kinds; RequestRejected (AUTH) for a key that the venue does not take.
        """

    async def aclose(self) -> None:
        """Close every connection of this account."""


class Venue(Protocol):
    """One venue: what is shared by all accounts on it."""

    exchange: str

    def account(self, credentials: Credentials) -> AccountGateway:
        """Return the gateway of one account; opens nothing yet."""

    async def instruments(self) -> Mapping[str, Instrument]:
        """Read the catalogue by symbol, every page.

        What takes long, leverage tiers say, may be missing from the first reading: a start waits for it.
        """

    def marks(
        self, symbols: frozenset[str]
    ) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, Decimal]]]:
        """Open the public stream of mark prices of these symbols; raises StreamLost."""

    async def read_marks(self) -> Mapping[str, Decimal]:
        """Read all marks once by REST."""

    async def clock_offset_ms(self) -> int:
        """Return venue clock minus our wall clock, by REST."""

    def budgets_used(self) -> Mapping[str, float]:
        """Return the share that is taken of each request budget of our address, by its name; 1 is all."""

    async def aclose(self) -> None:
        """Close what the venue shares."""
