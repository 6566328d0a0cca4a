"""The Transport header, as cameras and clients really write it."""

import pytest

from media.rtsp.transport import Transport, TransportReply, TransportRequest, parse_transport, parse_transport_request

TCP, UDP = Transport.TCP, Transport.UDP


@pytest.mark.parametrize(
    ("text", "asked", "reply"),
    [
        (
            "RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=00BC614E",
            TCP,
            TransportReply(transport=TCP, rtp_channel=2, rtcp_channel=3, ssrc=0xBC614E),
        ),
        # what the camera leaves out is as asked
        ("RTP/AVP/TCP;unicast", TCP, TransportReply(transport=TCP, rtp_channel=4, rtcp_channel=5)),
        # Escam Q6 answers RTP/AVP to TCP and sends by TCP all the same
        ("RTP/AVP;unicast", TCP, TransportReply(transport=TCP, rtp_channel=4, rtcp_channel=5)),
        # a camera that answers TCP to UDP sends by TCP
        ("RTP/AVP/TCP;interleaved=0-1", UDP, TransportReply(transport=TCP, rtp_channel=0, rtcp_channel=1)),
        (
            "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;source=10.0.0.9",
            UDP,
            TransportReply(
                transport=UDP, rtp_channel=4, rtcp_channel=5, server_rtp_port=6970, server_rtcp_port=6971,
                source="10.0.0.9",
            ),
        ),
        # one port means the next as well; an impossible one means none; so with channels and ssrc
        (
            "RTP/AVP;server_port=6970",
            UDP,
            TransportReply(
                transport=UDP, rtp_channel=4, rtcp_channel=5, server_rtp_port=6970, server_rtcp_port=6971
            ),
        ),
        ("RTP/AVP;server_port=70000-70001;ssrc=xyz", UDP, TransportReply(transport=UDP, rtp_channel=4, rtcp_channel=5)),
        ("RTP/AVP/TCP;interleaved=300-301", TCP, TransportReply(transport=TCP, rtp_channel=4, rtcp_channel=5)),
    ],
)  # fmt: skip
def test_a_reply_is_believed_where_that_can_work(text: str, asked: Transport, reply: TransportReply) -> None:
    assert parse_transport(text, asked, 4) == reply


@pytest.mark.parametrize(
    ("text", "offers"),
    [
        (
            "RTP/AVP;multicast;port=3456, RTP/AVP/TCP;unicast;interleaved=0-1",
            [TransportRequest(transport=TCP, first=0, second=1, is_specified=True)],
        ),
        (
            "RTP/AVP;unicast;client_port=5000-5001",
            [TransportRequest(transport=UDP, first=5000, second=5001, is_specified=True)],
        ),
        ("RTP/AVP;unicast", [TransportRequest(transport=UDP)]),
        ("RTP/AVP;client_port=0-1", [TransportRequest(transport=UDP)]),
        ("RTP/SAVP;client_port=5000-5001", []),
        ("", []),
    ],
)
def test_a_client_gets_what_it_offers_first(text: str, offers: list[TransportRequest]) -> None:
    assert parse_transport_request(text) == offers


def test_a_header_of_many_offers_is_read_no_further_than_eight() -> None:
    assert len(parse_transport_request(",".join(["RTP/AVP/TCP"] * 1000))) == 8
