"""Reading back what `fmp4` wrote: the init segment and the header of a fragment.

Called by the recorder's recovery and by `check`. Pure. Accepts only the subset our writer produces and refuses
everything else with RemoteProtocolError, so that a damaged file is noticed here and not by a player.
"""

from media.base.errors import RemoteProtocolError
from media.container.boxes import Box, Buffer, children, find, unpack
from media.container.fmp4 import DELTA_FLAGS, KEY_FLAGS, TrackConfig
from media.container.samples import MAX_FRAGMENT_SAMPLES, FragmentIndex, Keys, TrackRun
from media.packet import Kind

_TFHD_FLAGS = 0x02_0028
_TRUN_FLAGS = 0x0B05


def parse_moov(data: Buffer, moov: Box) -> tuple[TrackConfig, ...]:
    """Return the tracks of the `moov` box at its place in `data`."""
    return tuple(_track(data, child) for child in children(data, moov.body, moov.end) if child.kind == b"trak")


def _need(data: Buffer, parent: Box, *path: bytes) -> Box:
    found = find(data, parent.body, parent.end, *path)
    if found is None:
        raise RemoteProtocolError("box is missing", code="bad_box", path=b"/".join(path).decode("latin-1"))
    return found


def _track(data: Buffer, trak: Box) -> TrackConfig:
    tkhd = _need(data, trak, b"tkhd")
    mdhd = _need(data, trak, b"mdia", b"mdhd")
    hdlr = _need(data, trak, b"mdia", b"hdlr")
    stsd = _need(data, trak, b"mdia", b"minf", b"stbl", b"stsd")
    (track_id,) = unpack(">I", data, tkhd.body + 20, tkhd.end)
    width, height = unpack(">II", data, tkhd.end - 8, tkhd.end)
    (timescale,) = unpack(">I", data, mdhd.body + 20, mdhd.end)
    (handler,) = unpack(">I", data, hdlr.body + 8, hdlr.end)
    entry = next(iter(children(data, min(stsd.body + 8, stsd.end), stsd.end)), None)
    if entry is None or not timescale or handler not in (0x7669_6465, 0x736F_756E):  # 'vide', 'soun'
        raise RemoteProtocolError("track is incomplete", code="bad_box", offset=trak.start)
    kind = Kind.VIDEO if handler == 0x7669_6465 else Kind.AUDIO
    return TrackConfig(track_id, kind, timescale, bytes(data[entry.start : entry.end]), width >> 16, height >> 16)


def parse_fragment(data: Buffer, moof: Box, offset: int, mdat: Box) -> FragmentIndex:
    """Return the index of the fragment whose `moof` lies in `data` and at file `offset`.

    `mdat` is the box that follows, in the same coordinates as `moof`; its payload need not be in `data`.
    RemoteProtocolError when the runs do not fill the payload exactly.
    """
    runs: list[TrackRun] = []
    position = mdat.body - moof.start
    for child in children(data, moof.body, moof.end):
        if child.kind != b"traf":
            continue
        run, data_offset = _run(data, child)
        if data_offset != position:
            raise RemoteProtocolError("samples are not where expected", code="bad_box", offset=offset)
        position += sum(run.sizes)
        runs.append(run)
    size_bytes = mdat.end - moof.start
    if not runs or position != size_bytes:
        raise RemoteProtocolError("runs do not fill the fragment", code="bad_box", offset=offset)
    return FragmentIndex(offset, size_bytes, mdat.body - moof.start, tuple(runs))


def _run(data: Buffer, traf: Box) -> tuple[TrackRun, int]:
    tfhd = _need(data, traf, b"tfhd")
    tfdt = _need(data, traf, b"tfdt")
    trun = _need(data, traf, b"trun")
    tfhd_flags, track_id, default_duration, default_flags = unpack(">4I", data, tfhd.body, tfhd.end)
    version_flags, base_dts = unpack(">Iq", data, tfdt.body, tfdt.end)
    if tfhd_flags != _TFHD_FLAGS or version_flags != 1 << 24 or track_id > 255:
        raise RemoteProtocolError("fragment is not ours", code="bad_box", offset=traf.start)
    flags, count, data_offset = unpack(">3I", data, trun.body, trun.end)
    flags &= 0xFF_FFFF
    keys = _keys(data, trun, flags, default_flags)
    words = 1 + bool(flags & 0x100) + bool(flags & 0x800)
    table = trun.body + 12 + (4 if flags & 0x4 else 0)
    if flags & ~_TRUN_FLAGS or count > MAX_FRAGMENT_SAMPLES or table + 4 * words * count != trun.end:
        raise RemoteProtocolError("sample table does not fit", code="bad_box", offset=trun.start)
    numbers = unpack(f">{words * count}I", data, table, trun.end)
    durations = numbers[0::words] if flags & 0x100 else (default_duration,) * count
    sizes = numbers[bool(flags & 0x100) :: words]
    offsets = numbers[words - 1 :: words] if flags & 0x800 else ()
    signed = tuple(offset - (1 << 32) if offset >> 31 else offset for offset in offsets)
    return TrackRun(track_id, base_dts, keys, sizes, durations, signed), data_offset


def _keys(data: Buffer, trun: Box, flags: int, default_flags: int) -> Keys:
    if flags & 0x4:
        (first,) = unpack(">I", data, trun.body + 12, trun.end)
        if (first, default_flags) != (KEY_FLAGS, DELTA_FLAGS):
            raise RemoteProtocolError("sample flags are not ours", code="bad_box", offset=trun.start)
        return Keys.FIRST
    return Keys.ALL if default_flags == KEY_FLAGS else Keys.NONE
