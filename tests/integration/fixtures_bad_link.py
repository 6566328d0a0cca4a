"""A bad line between a browser and the hub: UDP that is lost and delayed by a seed's plan, both ways.

The page is told the line's port instead of the hub's; what the hub sees is the line's address. A thread of its own.
"""

import heapq
import random
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOOPBACK = "127.0.0.1"
LONGEST_S = 0.05
DATAGRAM = 2048
BUFFER = 1 << 20


class BadLine:
    """One line: `port` is the browser's end. Counts what it carried and lost, both ways together."""

    def __init__(self, hub_port: int, *, seed: int, loss: float, delay_s: float, jitter_s: float) -> None:
        """Bind both ends; `loss` and delay are of each way."""
        self.carried = 0
        self.lost = 0
        self._random = random.Random(seed)
        self._loss, self._delay_s, self._jitter_s = loss, delay_s, jitter_s
        self._page_end, self._hub_end = (self._bound() for _ in range(2))
        self._hub_end.connect((LOOPBACK, hub_port))
        self.port = int(self._page_end.getsockname()[1])
        self._page: tuple[str, int] | None = None
        self._under_way: list[tuple[float, int, bool, bytes]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bad line")

    @staticmethod
    def _bound() -> socket.socket:
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        end.bind((LOOPBACK, 0))
        end.setblocking(False)
        return end

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def close(self) -> None:
        """Carry nothing more."""
        self._stopping.set()
        self._thread.join()
        self._page_end.close()
        self._hub_end.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            due_s = self._under_way[0][0] - time.monotonic() if self._under_way else LONGEST_S
            ready, _, _ = select.select([self._page_end, self._hub_end], [], [], min(max(0.0, due_s), LONGEST_S))
            for end in ready:
                self._take(end)
            self._deliver(time.monotonic())

    def _take(self, end: socket.socket) -> None:
        try:
            data, address = end.recvfrom(DATAGRAM)
        except (BlockingIOError, ConnectionRefusedError):
            return
        is_up = end is self._page_end
        if is_up:
            self._page = address
        self.carried += 1
        if self._random.random() < self._loss:
            self.lost += 1
            return
        delay_s = self._delay_s + self._random.uniform(-self._jitter_s, self._jitter_s)
        heapq.heappush(self._under_way, (time.monotonic() + delay_s, self.carried, is_up, data))

    def _deliver(self, now_s: float) -> None:
        while self._under_way and self._under_way[0][0] <= now_s:
            _, _, is_up, data = heapq.heappop(self._under_way)
            try:
                if is_up:
                    self._hub_end.send(data)
                elif self._page is not None:
                    self._page_end.sendto(data, self._page)
            except (BlockingIOError, ConnectionRefusedError):
                continue


@contextmanager
def bad_line(hub_port: int, *, seed: int, loss: float, delay_s: float, jitter_s: float) -> Iterator[BadLine]:
    """Carry between a port of one's own and the hub's."""
    line = BadLine(hub_port, seed=seed, loss=loss, delay_s=delay_s, jitter_s=jitter_s)
    line.start()
    try:
        yield line
    finally:
        line.close()
