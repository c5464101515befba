"""The real service in a process of its own, and what it costs: CPU time and resident memory.

The service is started as `make run` starts it, with a store and a port that nobody else uses. What
is counted is its whole process tree (gunicorn's master and its worker), never the load generator.
Linux only: it reads /proc.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START = 60.0  # s; a start that takes longer has failed
POLL = 0.02  # s between two looks at /readyz: the resolution of the time to it
CLOCK_OF_PROCESS = 2  # CPUCLOCK_SCHED of Linux, see clock_getcpuclockid(3)
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A running, ready service."""

    process: subprocess.Popen[bytes]
    port: int
    ready_after: float
    """s from the start of the process to the first 200 of /readyz."""

    def processes(self) -> list[int]:
        """The process that was started and all below it."""
        found = [self.process.pid]
        for pid in found:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            found += map(int, children.split())
        return found

    def cpu(self) -> float:
        """CPU seconds so far, of user and kernel, to the nanosecond."""
        return sum(time.clock_gettime(~pid << 3 | CLOCK_OF_PROCESS) for pid in self.processes())

    def memory(self) -> int:
        """Resident bytes; pages that the processes share count in each of them."""
        return sum(map(_resident, self.processes()))


@dataclass(frozen=True, slots=True)
class Moment:
    """The clocks at one moment; two of them tell who used the machine in between."""

    wall: float
    server: float
    """CPU s of the service."""
    own: float
    """CPU s of this process, the load generator."""
    machine: float
    """CPU s of everything that runs on this machine."""

    @classmethod
    def now(cls, server: Server) -> Moment:
        """Read the clocks."""
        return cls(time.monotonic(), server.cpu(), time.process_time(), machine_busy())

    def server_load(self, later: Moment) -> float:
        """The service's CPU from here to ``later``, in % of one core."""
        return 100 * (later.server - self.server) / (later.wall - self.wall)

    def rest_load(self, later: Moment) -> float:
        """What neither the service nor the load generator used, in % of one core."""
        ours = later.server - self.server + later.own - self.own
        rest = later.machine - self.machine - ours
        return max(0.0, 100 * rest / (later.wall - self.wall))


def machine_busy() -> float:
    """CPU seconds that all processes have used since the machine was started, by 10 ms."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _waiting, irq, softirq = map(int, fields[1:8])
    return (user + nice + system + irq + softirq) / TICK


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no Rss in smaps_rollup of process {pid}")


@contextmanager
def running(app: str = "app:create_app()", **settings: str) -> Iterator[Server]:
    """Start the service and wait until it is ready; it is ended afterwards.

    ``app``: what gunicorn serves. ``settings``: environment variables. Raises RuntimeError with
    the log when it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="hark-bench-") as folder:
        log = Path(folder) / "log.txt"
        port = _free_port()
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("STT_", "WHISPER_"))}
        environ |= {"STT_PORT": str(port), "STT_STORE": f"sqlite:///{folder}/hark.db", **settings}
        begun = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", app],
                cwd=ROOT,
                env=environ,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            _await_ready(process, port, begun + START, log)
            yield Server(process, port, time.monotonic() - begun)
        finally:
            _end(process)


def _await_ready(process: subprocess.Popen[bytes], port: int, deadline: float, log: Path) -> None:
    while not _is_ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the service did not start:\n{log.read_text()}")
        time.sleep(POLL)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it at once: its sessions are ours, and nobody waits for them."""
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(15)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
