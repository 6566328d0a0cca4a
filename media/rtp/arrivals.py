"""When the packets of one transport arrived, as its sender wants to be told ten times a second (TWCC).

Called by the WebRTC side with the transport-wide number of every packet, whatever its source, on its event loop. A
browser opens its simulcast layers only as far as this feedback shows that the path carries them. Pure; bounded: a
report covers at most `MAX_REPORTED` numbers, and what has waited longer than the memory reaches is not told.
"""

from media.rtp.twcc import TransportArrivals, build_arrivals

INTERVAL_NS = 100_000_000
MAX_REPORTED = 480
"""Numbers in one report: at most 2 bits and 2 bytes each, it fits an MTU."""

_MEMORY = 2048
"""Numbers behind the newest that a report may go back to: 0.6 s at 40 Mbit/s."""
_MAX_STEP = 0x4000
"""A longer step is another beginning."""


class ArrivalRecorder:
    """The arrivals not told yet, and those a late packet's report must repeat."""

    def __init__(self) -> None:
        """Begin before the first packet."""
        self._newest: int | None = None
        self._times_us: dict[int, int] = {}
        self._tell_from: int | None = None
        self._count = 0
        self._reported_ns = 0

    def __len__(self) -> int:
        """Return the number of arrivals remembered."""
        return len(self._times_us)

    def note(self, sequence: int, now_mono_ns: int) -> None:
        """Take notice of a packet with the 16-bit transport-wide number `sequence`."""
        newest = self._newest
        if newest is None:
            number = sequence
        else:
            number = newest + ((sequence - newest + 0x8000) & 0xFFFF) - 0x8000
            if number - newest > _MAX_STEP or number <= newest - _MEMORY:
                self._forget()
                number = sequence
        if number in self._times_us:
            return
        self._times_us[number] = now_mono_ns // 1000
        if newest is None or self._newest is None or number > newest:
            self._newest = number
        if self._tell_from is None or number < self._tell_from:
            self._tell_from = number

    def _forget(self) -> None:
        self._newest = self._tell_from = None
        self._times_us.clear()

    def is_due(self, now_mono_ns: int) -> bool:
        """Tell whether there is something to report and the last report is old enough."""
        return self._tell_from is not None and now_mono_ns - self._reported_ns >= INTERVAL_NS

    def reports(self, now_mono_ns: int) -> list[bytes]:
        """Return the bodies of the feedback packets that tell what has not been told, in order; most often one."""
        bodies: list[bytes] = []
        self._reported_ns = now_mono_ns
        if self._tell_from is None or self._newest is None:
            return bodies
        start, newest = max(self._tell_from, self._newest - _MEMORY), self._newest
        while start <= newest:
            end = min(newest + 1, start + MAX_REPORTED)
            times = [self._times_us.get(number) for number in range(start, end)]
            if any(time is not None for time in times):
                bodies.append(self._body(start, times))
            start = end
        self._tell_from = None
        self._trim()
        return bodies

    def _body(self, start: int, times_us: list[int | None]) -> bytes:
        body = build_arrivals(TransportArrivals(start & 0xFFFF, self._count, tuple(times_us)))
        self._count = (self._count + 1) & 0xFF
        return body

    def _trim(self) -> None:
        assert self._newest is not None
        if len(self._times_us) > _MEMORY:
            oldest = self._newest - _MEMORY // 2
            self._times_us = {number: time for number, time in self._times_us.items() if number > oldest}
