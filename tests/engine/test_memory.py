"""What a worker frees it keeps, whatever its nanny told the allocator."""

import os
import subprocess
import sys

MEASURE = """
import resource, sys
import numpy as np
from hil.engine.memory import keep_freed_memory

if sys.argv[1:] == ["keep"]:
    assert keep_freed_memory()
for turn in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(1 << 18)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 20 * (2 << 20) // 4096


def page_faults(*arguments: str) -> int:
    """Of twenty temporary arrays of 2 MB in a process that Dask's nanny started."""
    environment = os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", MEASURE, *arguments]
    return int(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def test_temporary_arrays_are_no_new_pages_each_time():
    assert page_faults() > 0.9 * PAGES, "the nanny's rule is what costs"
    assert page_faults("keep") < 0.01 * PAGES
