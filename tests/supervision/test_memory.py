"""A buffer that one moment needs is given back to the system, and so is the next one of its size."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
from supervision.memory import give_back_large_buffers

if {called}:
    assert give_back_large_buffers()

def address():
    buffer = bytearray(700_000)
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))

def is_in_heap(at):
    for line in open("/proc/self/maps"):
        if "[heap]" in line:
            begin, end = (int(it, 16) for it in line.split()[0].split("-"))
            return begin <= at < end

address()
print(is_in_heap(address()))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's allocator")
@pytest.mark.parametrize(("called", "in_heap"), [(True, "False"), (False, "True")])
def test_a_large_buffer_does_not_make_the_heap_grow(called: bool, in_heap: str) -> None:
    """Without it the second of two buffers comes from the heap: that the test could fail."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(called=called)], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == in_heap
