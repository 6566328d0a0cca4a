"""Camera and screen of a Chromium over a bad line, watched by another on a good one (SOAK_BAD_LINK_S). `make soak`.

5 % of all packets are lost each way, the way there and back takes 80 ± 20 ms. What counts is what the one who watches
sees: how long its pictures stood still, as the browser itself defines a freeze.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser.meeting import COUNT_PEERS, Attendee
from tests.browser.meeting import Meeting as InvitedTo
from tests.integration.fixtures_bad_link import BadLine, bad_line
from tests.integration.fixtures_session import Meeting, Seat, meeting, until

HEARD_S = 20.0
WATCHED_S = float(os.environ.get("SOAK_BAD_LINK_S", "120"))
SETTLED_S = 10.0
FREEZE_RATIO = 0.02

OFFER = """async () => {
  const media = await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 320, height: 180, frameRate: 15}});
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [640, 360];
  const paint = canvas.getContext('2d');
  let count = 0;
  setInterval(() => {
    paint.fillStyle = `hsl(${count % 360} 50% 50%)`;
    paint.fillRect(0, 0, 640, 360);
    paint.fillStyle = '#fff';
    paint.fillRect((count++ * 7) % 600, 100, 40, 160);
  }, 66);
  const pc = s.up = new RTCPeerConnection(s.ice);
  s.lines = {microphone: pc.addTransceiver(media.getAudioTracks()[0], {direction: 'sendonly'}),
    camera: pc.addTransceiver(media.getVideoTracks()[0], {direction: 'sendonly'}),
    screen: pc.addTransceiver(canvas.captureStream(15).getVideoTracks()[0], {direction: 'sendonly'})};
  await pc.setLocalDescription(await pc.createOffer());
  const tracks = Object.fromEntries(Object.entries(s.lines).map(([name, t]) => [t.mid, name]));
  return s.ask('publish', {sdp: pc.localDescription.sdp, tracks, fresh: true});
}"""
ANSWER = "async ([sdp]) => { await s.up.setRemoteDescription({type: 'answer', sdp}); }"
SHOWN = """async () => {
  const found = {};
  (await s.down.getStats()).forEach((r) => {
    if (r.type === 'inbound-rtp' && r.kind === 'video') found[r.mid] = {frames: r.framesDecoded || 0,
      frozen_s: r.totalFreezesDuration || 0,
      behind_ms: 1000 * (r.jitterBufferDelay || 0) / Math.max(1, r.jitterBufferEmittedCount || 0)};
  });
  return found;
}"""
WAITS = """() => window.peers.flatMap((peer) => peer.getReceivers())
  .filter((each) => each.track.kind === 'audio' && each.jitterBufferTarget !== null).map((each) => each.jitterBufferTarget)"""
_HOST = re.compile(r"^(a=candidate:\S+ \d+ udp \d+ 127\.0\.0\.1) (\d+)", re.MULTILINE | re.IGNORECASE)


@contextmanager
def village_on_a_bad_line(room: Meeting) -> Iterator[tuple[Seat, BadLine]]:
    """Seat a page whose camera, screen and microphone come over a bad line."""
    village = room.sit(room.join())
    answer = village.run(OFFER)
    assert answer["type"] == "published", answer
    found = _HOST.search(answer["sdp"])
    assert found is not None, answer["sdp"]
    with bad_line(int(found[2]), seed=7, loss=0.05, delay_s=0.04, jitter_s=0.01) as line:
        village.run(ANSWER, _HOST.sub(rf"\1 {line.port}", answer["sdp"]))
        yield village, line


@pytest.mark.timeout(WATCHED_S + 180)
def test_a_bad_line_is_hardly_seen(tmp_path: Path) -> None:
    with meeting(tmp_path / "data") as room, village_on_a_bad_line(room) as (village, line):
        county = room.sit(room.join_as_guest("县里"))
        county.open(video=2, audio=0)
        mids = [county.watch(f"participant/{village.participant_id}", track) for track in ("camera", "screen")]
        for mid in mids:
            county.advances(mid, by=15, within_s=60)
        county.page.wait_for_timeout(SETTLED_S * 1000)
        before = _shown(county)
        county.page.wait_for_timeout(WATCHED_S * 1000)
        after = _shown(county)
        print(f"\ncarried {line.carried} datagrams, lost {line.lost}")
        assert line.lost > 0.03 * line.carried
    for mid in mids:
        frozen = (after[mid]["frozen_s"] - before[mid]["frozen_s"]) / WATCHED_S
        pictures = (after[mid]["frames"] - before[mid]["frames"]) / WATCHED_S
        print(
            f"slot {mid}: {pictures:.1f} a second, frozen {frozen:.4f}, played {after[mid]['behind_ms']:.0f} ms behind"
        )
        assert pictures > 7
        assert frozen < FREEZE_RATIO


@pytest.mark.timeout(240)
def test_a_voice_waits_for_its_picture(tmp_path: Path) -> None:
    """The console plays the voice of the village as late as its picture, and no other voice later than it must."""
    with meeting(tmp_path / "data") as room, village_on_a_bad_line(room) as (village, _):
        invite = room.hub.get(f"/rooms/{room.room_id}/invite")
        place = InvitedTo(room.hub, room.room_id, "例会", invite["url"], invite["passcode"])
        county = Attendee(room.browser, place, "县里")
        county.context.add_init_script(COUNT_PEERS)
        county.join()
        source = f"participant/{village.participant_id}"
        county.page.wait_for_timeout(HEARD_S * 1000)
        waits = until(lambda: county.page.evaluate(WAITS), 30, every_s=1)
        print(f"\n{source}: its voice waits {waits} ms")
        assert max(waits) >= 60
        county.context.close()


def _shown(seat: Seat) -> Any:
    return until(lambda: seat.run(SHOWN))
