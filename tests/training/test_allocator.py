import platform
import subprocess
import sys

import pytest

# Threads have memory of their own; and where they have it, blocks above 64 MB are a case apart.
_FAULTS = """
import resource
import threading
from zoo.training.allocator import keep_freed_memory

def use(megabytes):
    blocks = [bytearray(megabytes << 20) for _ in range(100 // megabytes)]

def use_in_a_thread(megabytes):
    thread = threading.Thread(target=use, args=(megabytes,))
    thread.start()
    thread.join()

keep_freed_memory()
{use}({megabytes})
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
{use}({megabytes})
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize("use", ["use", "use_in_a_thread"])
@pytest.mark.parametrize("megabytes", [20, 100])
def test_freed_memory_is_not_faulted_in_again(use, megabytes):
    program = _FAULTS.replace("{use}", use).replace("{megabytes}", str(megabytes))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert not done.stderr
    pages = 100 << 20 >> 12
    assert int(done.stdout) < (pages / 50 if platform.libc_ver()[0] == "glibc" else 2 * pages)
