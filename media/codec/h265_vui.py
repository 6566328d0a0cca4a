"""The long way through an H.265 SPS to the frame rate in its VUI (ITU-T H.265 §7.3.2.2, annex E.2.1).

Called by `media.codec.h265` only. Pure; every loop is bounded by the numbers the standard allows, so garbage ends in
RemoteProtocolError after a few hundred bits.
"""

from media.base.errors import RemoteProtocolError
from media.codec.nal import BitReader
from media.codec.vui import skip_picture_facts

_MAX_SHORT_TERM_SETS = 64
_MAX_PICTURES = 16


def parse_vui_timing(reader: BitReader, log2_max_poc_lsb: int) -> tuple[int, int]:
    """Read on from log2_min_luma_transform_block_size; return time scale and units in a tick, (0, 0) when absent."""
    for _ in range(4):  # transform sizes and hierarchy depths
        reader.ue()
    if reader.flag() and reader.flag():  # scaling lists, sent here
        _skip_scaling_lists(reader)
    reader.skip(2)
    if reader.flag():  # pcm
        reader.skip(8)
        reader.ue()
        reader.ue()
        reader.skip(1)
    _skip_reference_sets(reader)
    if reader.flag():  # long-term reference pictures
        for _ in range(_limited(reader.ue(), 32)):
            reader.skip(log2_max_poc_lsb + 1)
    reader.skip(2)
    return _read_vui(reader) if reader.flag() else (0, 0)


def _limited(number: int, limit: int) -> int:
    if number > limit:
        raise RemoteProtocolError("a parameter set value is out of range", value=number)
    return number


def _skip_scaling_lists(reader: BitReader) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not reader.flag():
                reader.ue()
                continue
            if size > 1:
                reader.se()
            for _ in range(min(64, 1 << (4 + 2 * size))):
                reader.se()


def _skip_reference_sets(reader: BitReader) -> None:
    pictures = 0
    for index in range(_limited(reader.ue(), _MAX_SHORT_TERM_SETS)):
        if index and reader.flag():  # predicted from the set before
            reader.skip(1)
            reader.ue()
            pictures = sum([_is_kept(reader) for _ in range(pictures + 1)])
        else:
            negative = _limited(reader.ue(), _MAX_PICTURES)
            positive = _limited(reader.ue(), _MAX_PICTURES)
            pictures = negative + positive
            for _ in range(pictures):
                reader.ue()
                reader.skip(1)


def _is_kept(reader: BitReader) -> bool:
    """Read used_by_curr_pic_flag and, when that is 0, use_delta_flag."""
    return reader.flag() or reader.flag()


def _read_vui(reader: BitReader) -> tuple[int, int]:
    skip_picture_facts(reader)
    reader.skip(3)
    if reader.flag():  # default display window
        for _ in range(4):
            reader.ue()
    if not reader.flag():
        return 0, 0
    units, scale = reader.bits(32), reader.bits(32)
    return scale, units
