"""RTCP compounds: any bytes, mutated reports, feedback with made-up bodies."""

from hypothesis import example, given
from hypothesis import strategies as st

from media.rtp import rtcp
from media.rtp.twcc import TransportArrivals, build_arrivals
from tests.fuzz import media_targets as targets
from tests.fuzz.mutate import mutated

REPORT = rtcp.build_compound(
    [
        rtcp.SenderReport(ssrc=1, ntp64=2**63, rtp_timestamp=5, reports=(rtcp.ReportBlock(ssrc=2),)),
        rtcp.source_name(1, "camera"),
        rtcp.Goodbye((1,), b"bye"),
    ]
)
FEEDBACK = rtcp.build_compound(
    [
        rtcp.ReceiverReport(ssrc=1),
        rtcp.GenericNack(1, 2, (3, 4, 50)),
        rtcp.PictureLoss(1, 2),
        rtcp.FullIntraRequest(1, ((2, 3),)),
        rtcp.BitrateEstimate(1, 1_000_000, (2,)),
        rtcp.TransportFeedback(1, 2, build_arrivals(TransportArrivals(1, 2, (0, None, 250, 90_000, 90_000)))),
    ]
)


@given(st.binary(max_size=300))
def test_any_bytes(data):
    targets.rtcp_compound(data)


@given(mutated(st.sampled_from([REPORT, FEEDBACK])))
def test_mutated_compounds(data):
    targets.rtcp_compound(data)


@given(st.integers(200, 207), st.integers(0, 31), st.binary(max_size=120))
@example(205, 15, bytes(8) + b"\0\0\xff\xff\0\0\0\0" + b"\x3f\xff" * 8)
def test_any_body_of_any_type(kind, count, body):
    body += bytes(-len(body) % 4)
    targets.rtcp_compound(bytes((0x80 | count, kind)) + (len(body) // 4).to_bytes(2, "big") + body)
