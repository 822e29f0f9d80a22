import platform
import subprocess
import sys

_FAULTS = """
import resource
from zoo.training.allocator import keep_freed_memory

keep_freed_memory()
bytearray(100 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(100 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_freed_memory_is_not_faulted_in_again():
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS], capture_output=True, text=True, check=True
    )
    pages = 100 << 20 >> 12
    assert int(done.stdout) < (pages / 100 if platform.libc_ver()[0] == "glibc" else 2 * pages)
