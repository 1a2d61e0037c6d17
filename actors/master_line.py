"""Whether what is known of the master is of now."""

import attrs


@attrs.define
class MasterLine:
    """Written by Pairing alone, read by followers; all in one thread."""

    is_live: bool = True
    """The master's stream is up, and a snapshot has been compared since it came up (R14)."""
    life: int = 0
    """Grows whenever it comes up: what was missed meanwhile is told at that moment."""

    def note(self, *, is_live: bool) -> None:
        """Take whether it is up."""
        self.life += is_live and not self.is_live
        self.is_live = is_live
