"""What the audio transcoder and its child say to each other: one header, one payload, the same in both directions.

Apart from both sides, so that the asking process does not load libav.
"""

import struct

HEAD = struct.Struct(">IBIqI")
"""Stream, kind, sample rate, the first sample's timestamp, payload bytes."""
PCMU, PCMA, CLOSE, FRAME = 1, 2, 3, 4
MAX_PAYLOAD = 1 << 20
FRAME_SAMPLES = 1024
