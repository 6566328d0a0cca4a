"""What H.264 and H.265 share of video usability information (annex E of both): its first fields, and the frame rate.

Called by the two parameter-set parsers. Pure; a rate no camera has is taken for none.
"""

from media.codec.nal import BitReader

MAX_FPS = 300.0
"""Faster than any camera of a county; what says more is a mistake of the encoder."""
_EXTENDED_SAR = 255


def skip_picture_facts(reader: BitReader) -> None:
    """Step from the start of the VUI over aspect ratio, overscan, colours and chroma location."""
    if reader.flag() and reader.bits(8) == _EXTENDED_SAR:
        reader.skip(32)
    if reader.flag():  # overscan
        reader.skip(1)
    if reader.flag():  # video signal type
        reader.skip(4)
        if reader.flag():
            reader.skip(24)
    if reader.flag():  # chroma location
        reader.ue()
        reader.ue()


def plausible_fps(scale: int, units: int) -> float:
    """Return frames per second, or 0 when the numbers are absurd: cameras often lie here."""
    if not units or not scale or scale > units * MAX_FPS:
        return 0.0
    return scale / units
