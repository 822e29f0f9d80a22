"""How much memory a process has taken. Standard library only."""

import sys
from pathlib import Path


def peak_memory_bytes() -> int:
    """Returns the most memory that this process had resident."""
    status = Path("/proc/self/status")
    if status.is_file():
        # getrusage would count what the parent had resident when it started this process.
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
