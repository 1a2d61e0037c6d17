"""Bybit's V5 protocol over the sandbox's venue core: REST, private, public and trade WebSockets."""

from exchanges.sandbox.bybit.face import BybitSandbox, BybitServer

__all__ = ["BybitSandbox", "BybitServer"]
