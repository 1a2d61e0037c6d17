"""The C library's habits with memory, so that what one moment needs does not stay for good.

An account's 2,000 newest fills are a frame of most of a megabyte, at each reconnect to Hyperliquid. glibc
maps such a buffer, and unmaps it when it is freed; but from the first one on it takes those of that size from
the heap, which grows by a megabyte whenever no hole is large enough.
"""

import ctypes

LARGE_BYTES = 128 * 1024
"""glibc's own threshold as a process begins. To set it ends its growth: mallopt(3), M_MMAP_THRESHOLD."""
_M_MMAP_THRESHOLD = -3


def give_back_large_buffers() -> bool:
    """Have every large buffer mapped for itself; return whether the C library can. Once a process."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES))
