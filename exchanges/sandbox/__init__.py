"""The sandbox: venues on loopback that speak their real wire protocols, over one venue core.

Build a core with ``build_venue`` (or ``SandboxVenue`` itself), put a face over it
(``exchanges.sandbox.bybit.BybitSandbox``) and serve it over TCP or in memory.
"""

from exchanges.sandbox.account import Account
from exchanges.sandbox.balance import Balance
from exchanges.sandbox.book import Liquidity
from exchanges.sandbox.description import (
    AccountDescription,
    SandboxDescription,
    build_venue,
    describe_account,
)
from exchanges.sandbox.faults import Fault, FaultKind, Faults
from exchanges.sandbox.ledger import LedgerRow, OrderLedger
from exchanges.sandbox.listing import DEFAULT_LISTINGS, DEFAULT_PRICES, Listing, ListingStatus
from exchanges.sandbox.order import Fill, FillKind, Order, OrderIntent, OrderStatus, TimeInForce
from exchanges.sandbox.position import Position
from exchanges.sandbox.refusals import Reason, Refused
from exchanges.sandbox.rulebook import Rulebook
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.walk import PriceWalk

__all__ = [
    "DEFAULT_LISTINGS",
    "DEFAULT_PRICES",
    "Account",
    "AccountDescription",
    "Balance",
    "Fault",
    "FaultKind",
    "Faults",
    "Fill",
    "FillKind",
    "LedgerRow",
    "Liquidity",
    "Listing",
    "ListingStatus",
    "Order",
    "OrderIntent",
    "OrderLedger",
    "OrderStatus",
    "Position",
    "PriceWalk",
    "Reason",
    "Refused",
    "Rulebook",
    "SandboxDescription",
    "SandboxVenue",
    "TimeInForce",
    "build_venue",
    "describe_account",
]
