"""Whether what is known of the master is of now."""

import attrs


@attrs.define
class MasterLine:
    """Written by Pairing alone, read by followers; all in one thread."""

    is_live: bool = True
    """The master's stream is up, and a snapshot has been compared since it came up (R14)."""
