"""Sends requests over kept connections, a bounded number for a bounded time, and reports what came back."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Load:
    """Durations in seconds; `cpu_s` is what the server's process used meanwhile."""

    durations: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    failures: int = 0

    @property
    def per_second(self):
        return len(self.durations) / self.wall_s

    @property
    def cpu_ms(self):
        return 1000 * self.cpu_s / max(1, len(self.durations))

    def percentile_ms(self, share):
        ordered = sorted(self.durations)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def run_load(port, path, *, seconds, connections=16, headers="", pid=None, accept=b"200"):
    """GET `path` on loopback as fast as it is answered."""
    load = Load()
    request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n{headers}\r\n".encode()
    deadline = time.perf_counter() + seconds
    cpu = read_cpu_s(pid) if pid else 0.0
    started = time.perf_counter()
    await asyncio.gather(*(_client(load, port, request, deadline, accept) for _ in range(connections)))
    load.wall_s = time.perf_counter() - started
    load.cpu_s = read_cpu_s(pid) - cpu if pid else 0.0
    return load


async def _client(load, port, request, deadline, accept):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while time.perf_counter() < deadline:
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
            await reader.readexactly(int(length))
            load.durations.append(time.perf_counter() - started)
            load.failures += head.split(b" ", 2)[1] != accept
    finally:
        writer.close()


def read_cpu_s(pid):
    """User and system time of one process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def wait_for_port(port, path="/health", timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            await asyncio.wait_for(reader.readline(), 5)
            writer.close()
            return
        except (OSError, TimeoutError):
            await asyncio.sleep(0.05)
    raise TimeoutError(f"nothing answers on port {port}")
