"""What the C library does with memory that a training frees."""

import ctypes
import platform

# Parameters of mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8


def keep_freed_memory() -> None:
    """Has this process keep memory that it frees, to use it again; where glibc is the C library.

    glibc gives large blocks back to the system at once. A training step then faults in hundreds of
    megabytes page by page, which took a fifth of the time of a small Transformer's.
    """
    name, _ = platform.libc_ver()
    if name == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_ARENA_MAX, 1)  # the arenas of other threads give back whatever they can
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
