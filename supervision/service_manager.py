"""Tells the service manager how we are (systemd's sd_notify): a datagram to `NOTIFY_SOCKET`."""

import os
import socket
from collections.abc import Mapping

import structlog

log = structlog.get_logger("supervision.service_manager")


class ServiceManager:
    """Sends states; does nothing where no service manager asked for them."""

    def __init__(self, env: Mapping[str, str]) -> None:
        address = env.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        for_us = env.get("WATCHDOG_PID") in (None, "", str(os.getpid()))
        wanted = env.get("WATCHDOG_USEC", "") if for_us else ""
        self.watchdog_s = int(wanted) / 1_000_000 if wanted.isdecimal() and int(wanted) else None
        """Within this time it wants to hear from us; None when it does not watch."""

    @property
    def listens(self) -> bool:
        """Tell whether anybody wants to know."""
        return bool(self._address)

    def tell(self, *states: str) -> None:
        """Send states such as `READY=1`. Never raises: a deaf service manager is no reason to stop.

        Each stays on a line of its own: a status may hold words of a venue, and those must not be states.
        """
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(map(_one_line, states)).encode(), self._address)
        except OSError as error:
            log.warning("service_manager.deaf", error=str(error))


def _one_line(state: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in state)
