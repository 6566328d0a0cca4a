"""RTP payload formats against others: what libavformat sends we read, what we send GStreamer reads."""

import socket
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from media.codec import aac, g711, h264, h265, nal, opus
from media.packet import AccessUnit, Codec, CodecParams
from media.rtp.depacketize import make_depacketizer
from media.rtp.packetize import RtpWriter, VideoPacketizer
from media.rtp.reorder import ReorderBuffer

pytestmark = pytest.mark.foreign

FFMPEG = "/usr/bin/ffmpeg"
PICTURES = 20
SOURCE = ["-f", "lavfi", "-i", f"testsrc2=s=640x360:r=25,trim=end_frame={PICTURES}"]
ENCODERS = {
    Codec.H264: ["-c:v", "libx264", "-preset", "veryfast", "-g", "10", "-bf", "0", "-x264-params", "slices=3"],
    Codec.H265: ["-c:v", "libx265", "-preset", "ultrafast", "-g", "10", "-x265-params", "bframes=0:log-level=none"],
}
MODULES = {Codec.H264: h264, Codec.H265: h265}
KEEP = {Codec.H264: (1, 5, 6), Codec.H265: (*range(22), 39, 40)}


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run([FFMPEG, "-v", "error", "-y", *map(str, arguments)], check=True, timeout=60)


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.5)
        yield sock


def arriving(sock: socket.socket, sender: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Yield packets as they come, so that no buffer has to hold them all, until the sender has ended."""
    while True:
        has_ended = sender.poll() is not None
        try:
            data = sock.recv(65536)
        except TimeoutError:
            if has_ended:
                return
            continue
        if not 192 <= data[1] <= 223:  # RTCP comes to the same port
            yield data


def receive(sock: socket.socket, params: CodecParams, *arguments: str | Path) -> list[AccessUnit]:
    """Let ffmpeg send by RTP what `arguments` name, and return what comes of it."""
    sender = subprocess.Popen([FFMPEG, "-v", "error", *map(str, arguments), "-f", "rtp", target(sock)])
    depacketizer, window = make_depacketizer(0, params), ReorderBuffer()
    units: list[AccessUnit] = []
    for data in arriving(sock, sender):
        for packet in window.push(data, 0):
            done = depacketizer.push(packet, 0, len(packet), 0, 0)
            units += done if isinstance(done, list) else [done] if done else []
    assert sender.returncode == 0
    assert depacketizer.stats.lost == 0
    return units


def target(sock: socket.socket) -> str:
    port = sock.getsockname()[1]
    return f"rtp://127.0.0.1:{port}?rtcpport={port}&pkt_size=1200"


@pytest.mark.parametrize("codec", list(ENCODERS))
def test_pictures_sent_by_libavformat_come_out_byte_for_byte(codec, receiver, tmp_path):
    clip = tmp_path / "clip.mp4"
    annexb = tmp_path / f"clip.{codec.value.replace('h265', 'hevc')}"
    ffmpeg(*SOURCE, *ENCODERS[codec], clip)
    ffmpeg("-i", clip, "-c", "copy", annexb)
    params = CodecParams(codec=codec, clock_rate_hz=90_000)
    units = receive(receiver, params, "-re", "-i", annexb, "-c", "copy")
    module = MODULES[codec]
    sent = [one for one in nal.split_annexb(annexb.read_bytes()) if module.nal_type(one[0]) in KEEP[codec]]
    got = [one for unit in units for one in nal.split_length_prefixed(unit.data)]
    assert [one.rstrip(b"\0") for one in got] == sent  # libavformat sends a zero byte of the next start code with it
    assert len(units) == PICTURES
    assert [number for number, unit in enumerate(units) if unit.is_key] == [0, 10]
    assert [unit.pts for unit in units] == pytest.approx([number * 3600 for number in range(PICTURES)], abs=1)
    assert (units[0].params.width, units[0].params.height, units[0].params.fps) == (640, 360, 25.0)


@pytest.mark.parametrize(
    ("encoder", "params"),
    [
        (["-c:a", "aac", "-ar", "16000", "-ac", "1"], aac.aac_params(aac.build_audio_specific_config(16000, 1))),
        (["-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"], g711.g711_params(Codec.PCMA)),
        (["-c:a", "libopus", "-ar", "48000", "-ac", "2"], opus.opus_params()),
    ],
    ids=["aac", "pcma", "opus"],
)
def test_sound_sent_by_libavformat_lasts_as_long_as_it_did(encoder, params, receiver):
    units = receive(receiver, params, "-f", "lavfi", "-i", "sine=f=440:d=1", *encoder)
    assert len(units) > 4
    assert all(later.pts > earlier.pts for earlier, later in pairwise(units))
    last = {
        Codec.AAC: lambda data: 1024,
        Codec.PCMA: g711.duration_ticks,
        Codec.OPUS: opus.duration_ticks,
    }[params.codec](units[-1].data)
    assert (units[-1].pts + last) / params.clock_rate_hz == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("codec", list(ENCODERS))
@pytest.mark.parametrize("mtu", [100, 1200])
def test_pictures_sent_by_us_are_put_together_by_gstreamer(codec, mtu, tmp_path):
    annexb = tmp_path / f"clip.{codec.value.replace('h265', 'hevc')}"
    ffmpeg(*SOURCE, *ENCODERS[codec], annexb)
    module = MODULES[codec]
    nals = nal.split_annexb(annexb.read_bytes())
    params = module.codec_params([one for one in nals if not module.is_slice(module.nal_type(one[0]))])
    units: list[list[bytes]] = []
    for one in nals:
        if module.is_slice(module.nal_type(one[0])):
            if module.begins_picture(one):
                units.append([])
            units[-1].append(one)
    packetizer, writer = VideoPacketizer(codec, mtu), RtpWriter(0x5EED, 96, 65_500)
    packets = []
    for number, slices in enumerate(units):
        is_key = module.is_key(module.nal_type(slices[0][0]))
        unit = AccessUnit(0, params, number * 3600, number * 3600, is_key, nal.to_length_prefixed(slices), 0, 0)
        packets += writer.packets(packetizer.payloads(unit), unit.pts)
    received = nal.split_annexb(depacketize_by_gstreamer(codec, packets, tmp_path))
    slices_of_all = [one for slices in units for one in slices]
    assert [one for one in received if module.is_slice(module.nal_type(one[0]))] == slices_of_all
    assert all(received.count(one) == 2 for one in params.parameter_sets)  # before each of the two key pictures


def depacketize_by_gstreamer(codec: Codec, packets: list[bytes], folder: Path) -> bytes:
    """Return what GStreamer makes of packets in a file, each after two bytes of length (RFC 4571)."""
    stream, out = folder / "packets.rtp", folder / "out.bin"
    stream.write_bytes(b"".join([len(packet).to_bytes(2, "big") + packet for packet in packets]))
    name = codec.value.upper()
    caps = f"application/x-rtp-stream,media=video,clock-rate=90000,encoding-name={name},payload=96"
    element = f"rtp{codec.value}depay"
    shape = f"video/x-{codec.value},stream-format=byte-stream,alignment=au"
    pipeline = f"filesrc location={stream} ! {caps} ! rtpstreamdepay ! {element} ! {shape} ! filesink location={out}"
    subprocess.run(["gst-launch-1.0", "-q", *pipeline.split()], check=True, timeout=60)
    return out.read_bytes()
