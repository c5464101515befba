"""Measurements that anybody can repeat: `python -m benchmarks` (docs/benchmarks.md).

Libraries get one thread each, as in the service (recognition REC-75): set here, before any of them
is imported, because idle threads that wait for work by spinning would be counted as ours.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
