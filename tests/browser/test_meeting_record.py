"""After the meeting: its record as page and table, and all its tracks played in step."""

import zipfile
from datetime import datetime
from io import BytesIO

from playwright.sync_api import expect

from tests.browser.conftest import NewAttendee
from tests.browser.meeting import Meeting
from tests.hub_process import wait_for

RECORDED_S = 12


def recorded_s(meeting: Meeting) -> float:
    """Return how much of every camera has been recorded, the least of them."""
    tracks = meeting.hub.get(f"/rooms/{meeting.room_id}/recordings")["tracks"]
    cameras = [track for track in tracks if track["track"] == "camera"]
    lengths = [sum(_seconds(span) for span in track["spans"]) for track in cameras]
    return min(lengths) if len(lengths) >= 2 else 0.0


def _seconds(span: dict[str, str]) -> float:
    return (datetime.fromisoformat(span["end"]) - datetime.fromisoformat(span["start"])).total_seconds()


def test_a_recorded_meeting_is_played_in_step_and_its_record_is_taken_away(attend: NewAttendee, meeting: Meeting):
    chair = attend("管理员").join(is_chair=True)
    guest = attend("王秀英").join(venue="城北村会议室", heads=12)
    guest.sees("管理员")
    chair.panel()
    chair.page.click("#record")
    chair.page.get_by_role("button", name="确定").click()
    for page in (chair, guest):
        expect(page.page.locator("#recording-notice")).to_be_visible()
    meeting.hub.login()
    wait_for("both cameras are recorded", lambda: recorded_s(meeting) >= RECORDED_S, 120, every_s=1)
    meeting.end()
    expect(chair.page.locator("#ended-reason")).to_be_visible()
    chair.open(f"/rooms/{meeting.room_id}/record")
    page = chair.page
    expect(page.locator("tr").filter(has_text="城北村会议室")).to_contain_text("12")
    with page.expect_download() as download:
        page.click("#record-xlsx")
    assert zipfile.ZipFile(BytesIO(download.value.path().read_bytes())).testzip() is None
    page.click("#watch-recordings")
    page.fill("#reason", "核对会议纪要")
    page.click("#reason-submit")
    player = page.locator(".player")
    player.locator("#sync-play").click()
    first = int(player.get_attribute("data-position") or 0)
    wait_for("the meeting plays on", lambda: int(player.get_attribute("data-position") or 0) > first + 4_000, 60)
    expect(player.locator('figure[data-state="playing"]')).to_have_count(2)
    apart = "v => v.map(e => e.paused ? -1 : e.currentTime)"
    times = player.locator("video").evaluate_all(apart)
    assert min(times) > 0, "every track runs"
