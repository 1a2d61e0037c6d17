"""Tells a run as it happens, for whoever looks for the cause of a failure."""

from typing import Any

import trio

from actors.events import MasterChangeSeen
from exchanges.sandbox import LedgerRow
from tests.world import World

LENGTH = 300


class Story(list[Any]):
    """The world's list of events; says each one when it comes."""

    def append(self, event: Any) -> None:
        super().append(event)
        if isinstance(event, MasterChangeSeen):
            it = event.change
            how = f"{'caught up ' if it.caught_up else ''}{'from snapshot' if it.from_snapshot else ''}"
            say(f"MasterChangeSeen {it.leg} {it.size_before} -> {it.size_after} {it.change_id[:8]} {how}")
        else:
            say(str(event))


def say(what: str) -> None:
    """Print a line with the virtual time."""
    print(f"{trio.current_time():9.3f} {what[:LENGTH]}")


def say_arrival(row: LedgerRow, held: Any) -> None:
    """Tell an order that arrives."""
    it = row.intent
    kind = "reduce-only" if it.reduce_only else f"at {it.price}"
    say(
        f"ARRIVED {row.account} {it.side.value} {it.quantity} {it.symbol}:{it.position_idx} {kind} "
        f"{it.client_order_id[:8]} via {row.via}, held {held}"
    )


def tell_copies(world: World) -> None:
    """Tell every copy with its decisions, orders and troubles, and every holding."""
    for copy in world.copies():
        word = f"{copy.state.value} {copy.reason.value if copy.reason else ''}"
        ids = f"{copy.copy_id[:8]} of {copy.change_id[:8]}"
        print(f"COPY {copy.follower} {ids} {copy.leg} {copy.change_class.value} {word}")
        for decision in copy.explain.get("decisions", ()):  # type: ignore[attr-defined]
            print("    ", {key: decision.get(key) for key in _SHOWN})
        for trouble in copy.explain.get("troubles", ()):  # type: ignore[attr-defined]
            print("     trouble:", trouble[:LENGTH])
        for order in copy.orders:
            print(
                f"     {order.client_order_id[:8]} {order.leg} {order.side.value} {order.quantity} "
                f"{order.state.value} {order.filled} {order.detail} {order.sent_at_ms} {order.settled_at_ms}"
            )
    for account in world.followers:
        for holding in world.store.holdings(account.settings.name):
            print(holding)


_SHOWN = (
    *("leg", "class", "master_size_before", "master_size_after", "current", "target", "desired", "orders"),
    *("reason", "age_s", "gate_refused", "equity", "proportional_because"),
)
