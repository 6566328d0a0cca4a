"""Who speaks, and whose microphones are worth forwarding: loudness smoothed, choices that do not flutter.

Pure: levels (RFC 6464: 0 loudest, 127 silence) and times are arguments. Fed with every level by the room's actor, which
asks `pick` a few times a second. While no more than one microphone above the limit is open, all are heard; with more,
the loudest, and who is heard already is given up only for somebody clearly louder.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

SILENCE_DBOV = 127
SPEECH = 77.0
"""Loudness (127 + dBov) from which it may be speech: -50 dBov. Speech is at -20 to -40, a quiet hall at -60."""

ATTACK_S = 0.1
RELEASE_S = 0.6
FRAME_NS = 20_000_000
"""What the first level of a voice stands for: one frame of Opus."""

STALE_S = 0.3
"""Without a level for so long (DTX sends none) it is silence."""

SWITCH_DB = 6.0
SWITCH_AFTER_S = 0.3
"""A new active speaker is so much louder than the old one, for so long."""

QUIET_AFTER_S = 0.7
"""Or speaks when the old one has been silent for so long."""

INCUMBENT_DB = 6.0
"""Who is heard counts as so much louder than who is not."""

UNKNOWN = SPEECH - 1.0
"""A microphone that tells no levels (foreign software): before the silent, behind who speaks."""


@dataclass(slots=True)
class _Voice:
    loudness: float = 0.0
    heard_ns: int = 0
    moved_ns: int = 0
    spoke_ns: int | None = None
    louder_since_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who speaks, who is heard (one more than each hears), and how loud everybody is, 0 to 100."""

    active: str | None
    ranking: tuple[str, ...]
    levels: dict[str, int]


class Speakers:
    """The voices of one room."""

    def __init__(self) -> None:
        """Begin in silence."""
        self._voices: dict[str, _Voice] = {}
        self._active: str | None = None
        self._ranking: tuple[str, ...] = ()

    def hear(self, seat_id: str, level_dbov: int, now_ns: int) -> None:
        """Take a level: louder counts fast, quieter slowly, so that a breath is no silence."""
        voice = self._voices.get(seat_id)
        if voice is None:
            voice = self._voices[seat_id] = _Voice(moved_ns=now_ns - FRAME_NS)
        loudness = float(SILENCE_DBOV - min(max(level_dbov, 0), SILENCE_DBOV))
        self._move(voice, loudness, now_ns)
        voice.heard_ns = now_ns

    def _move(self, voice: _Voice, loudness: float, now_ns: int) -> None:
        past_s = max(0, now_ns - voice.moved_ns) / 1e9
        voice.moved_ns = max(voice.moved_ns, now_ns)
        tau_s = ATTACK_S if loudness > voice.loudness else RELEASE_S
        voice.loudness += (loudness - voice.loudness) * (1.0 - math.exp(-past_s / tau_s))
        if voice.loudness >= SPEECH:
            voice.spoke_ns = now_ns

    def forget(self, seat_id: str) -> None:
        """Drop a voice that has left."""
        self._voices.pop(seat_id, None)

    def pick(self, open_ids: Sequence[str], loudest: int, now_ns: int) -> Hearing:
        """Choose among the open microphones, given in a steady order."""
        for seat_id in self._voices.keys() - set(open_ids):
            del self._voices[seat_id]
        for voice in self._voices.values():
            if now_ns - voice.heard_ns > STALE_S * 1e9:
                self._move(voice, 0.0, now_ns)
        self._active = self._choose_active(open_ids, now_ns)
        self._ranking = self._rank(open_ids, loudest)
        levels = {seat_id: level for seat_id, voice in self._voices.items() if (level := _shown(voice.loudness)) > 0}
        return Hearing(self._active, self._ranking, levels)

    def _choose_active(self, open_ids: Sequence[str], now_ns: int) -> str | None:
        active = self._active if self._active in open_ids else None
        voices = {seat_id: voice for seat_id, voice in self._voices.items() if voice.loudness >= SPEECH}
        if not voices:
            return active
        best = max(voices, key=lambda seat_id: voices[seat_id].loudness)
        if active is None or best == active:
            return best
        old = self._voices.get(active)
        if old is None or old.spoke_ns is None or now_ns - old.spoke_ns >= QUIET_AFTER_S * 1e9:
            return best
        for seat_id, voice in self._voices.items():
            is_louder = seat_id in voices and voice.loudness >= old.loudness + SWITCH_DB
            if not is_louder:
                voice.louder_since_ns = None
            elif voice.louder_since_ns is None:
                voice.louder_since_ns = now_ns
        since_ns = voices[best].louder_since_ns
        return best if since_ns is not None and now_ns - since_ns >= SWITCH_AFTER_S * 1e9 else active

    def _rank(self, open_ids: Sequence[str], loudest: int) -> tuple[str, ...]:
        wanted = loudest + 1
        if len(open_ids) <= wanted:
            return tuple(open_ids)
        kept = [seat_id for seat_id in self._ranking if seat_id in open_ids]
        others = [seat_id for seat_id in open_ids if seat_id not in kept]
        others.sort(key=self._loudness, reverse=True)
        while len(kept) < wanted:
            kept.append(others.pop(0))
        for challenger in others[:wanted]:
            quietest = min(kept, key=self._loudness)
            if self._loudness(challenger) < max(SPEECH, self._loudness(quietest) + INCUMBENT_DB):
                break
            kept[kept.index(quietest)] = challenger
        quietest = min(kept[:-1], key=self._loudness)
        if self._loudness(kept[-1]) >= max(SPEECH, self._loudness(quietest) + INCUMBENT_DB):
            place = kept.index(quietest)
            kept[place], kept[-1] = kept[-1], kept[place]
        return tuple(kept)

    def _loudness(self, seat_id: str) -> float:
        voice = self._voices.get(seat_id)
        return UNKNOWN if voice is None else voice.loudness


def _shown(loudness: float) -> int:
    """Return loudness for a meter: 0 at -70 dBov and below, 100 at -10 and above, in steps of 5."""
    return round(min(max((loudness - 57.0) / 60.0, 0.0), 1.0) * 20) * 5
