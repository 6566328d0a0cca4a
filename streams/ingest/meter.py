"""Bitrate and frame rate of a source over its last seconds. Pure; the connection's tick turns it once a second."""

from collections import deque

WINDOW_S = 5


class Meter:
    """Counts bytes and pictures. `bytes_total` and `pictures_total` are added to from the receive path."""

    __slots__ = ("_marks", "bytes_total", "pictures_total")

    def __init__(self) -> None:
        """Start at zero."""
        self.bytes_total = 0
        self.pictures_total = 0
        self._marks: deque[tuple[int, int, int]] = deque(maxlen=WINDOW_S + 1)

    def turn(self, now_mono_ns: int) -> None:
        """Note the counters; to be called about once a second."""
        self._marks.append((now_mono_ns, self.bytes_total, self.pictures_total))

    def rates(self) -> tuple[int, float]:
        """Return bits per second and pictures per second; zero before the second turn."""
        if len(self._marks) < 2:
            return 0, 0.0
        (begin_ns, begin_bytes, begin_pictures), (end_ns, end_bytes, end_pictures) = self._marks[0], self._marks[-1]
        seconds = (end_ns - begin_ns) / 1e9
        if seconds <= 0:
            return 0, 0.0
        return round((end_bytes - begin_bytes) * 8 / seconds), round((end_pictures - begin_pictures) / seconds, 2)
