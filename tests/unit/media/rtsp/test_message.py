"""RTSP messages and interleaved frames from a byte stream."""

import pytest

from media.base.errors import RemoteProtocolError
from media.rtsp import message as m
from media.rtsp.message import (
    Headers,
    InterleavedFrame,
    MessageParser,
    Request,
    Response,
    find_resync,
    interleaved,
    read_message,
)

REQUEST = Request("DESCRIBE", "rtsp://c/live?x=1", Headers([("CSeq", "2"), ("Accept", "application/sdp")]))
RESPONSE = Response(200, "OK", Headers([("CSeq", "2"), ("Content-Length", "4")]), b"v=0\n")
FRAMES = interleaved(0, b"\x80\x60" + b"r" * 30) + interleaved(1, b"\x80\xc8sr")


def everything(parser: MessageParser) -> list:
    found = []
    while (item := parser.next()) is not None:
        found.append(item)
    return found


def parse(data: bytes) -> list:
    parser = MessageParser()
    parser.feed(data)
    return everything(parser)


@pytest.mark.parametrize("message", [REQUEST, RESPONSE, Response(404), Request("OPTIONS", "*")])
def test_round_trip(message):
    (back,) = parse(message.to_bytes())
    assert back.to_bytes() == message.to_bytes()


def test_body_gets_its_length():
    assert b"Content-Length: 5\r\n" in Response(200, body=b"hello").to_bytes()


def test_messages_and_frames_may_come_byte_by_byte_in_any_mixture():
    stream = RESPONSE.to_bytes() + FRAMES + b"\r\n" + REQUEST.to_bytes() + FRAMES + RESPONSE.to_bytes()
    parser, found = MessageParser(), []
    for index in range(len(stream)):
        parser.feed(stream[index : index + 1])
        found += everything(parser)
    assert [type(item) for item in found] == [type(item) for item in parse(stream)]
    assert [type(item).__name__ for item in found] == [
        "Response",
        "InterleavedFrame",
        "InterleavedFrame",
        "Request",
        "InterleavedFrame",
        "InterleavedFrame",
        "Response",
    ]
    assert parser.pending_bytes == 0
    assert found[1] == InterleavedFrame(0, b"\x80\x60" + b"r" * 30)


def test_lenient_reading_of_odd_but_clear_messages():
    text = b"\r\n\r\nRTSP/1.0 200\ncseq:  7 \nSession : 1; timeout = 60\nX: a\n b\nno colon\n\n"
    (response,) = parse(text)
    assert response.status == 200
    assert response.cseq == 7
    assert response.headers.get("session") == "1; timeout = 60"
    assert response.headers.get("X") == "a b"


def test_headers_keep_order_and_repetition_and_show_no_values():
    headers = Headers([("A", "1"), ("b", "2"), ("a", "3")])
    assert headers.get_all("A") == ["1", "3"]
    assert "B" in headers
    assert "c" not in headers
    assert repr(headers) == "Headers(A, b, a)"


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "1" * 30, "٣"])
def test_a_cseq_that_is_no_number_is_none(text):
    assert Response(200, headers=Headers([("CSeq", text)])).cseq is None


def test_garbage_between_frames_is_skipped_and_counted():
    garbage = bytes(range(128, 256)) * 3
    parser = MessageParser()
    parser.feed(FRAMES + garbage + FRAMES + RESPONSE.to_bytes())
    kinds = [type(item).__name__ for item in everything(parser)]
    assert kinds == ["InterleavedFrame"] * 4 + ["Response"]
    assert parser.garbage_bytes == len(garbage)


def test_endless_garbage_gives_the_peer_up():
    with pytest.raises(RemoteProtocolError) as refusal:
        parse(b"\xff" * 1_000_000)
    assert refusal.value.code == "not_rtsp"


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS rtsp://c RTSP/1.0\r\nX: " + b"y" * 20_000,
        b"OPTIONS rtsp://c RTSP/1.0\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    ],
)
def test_messages_beyond_the_limits_are_refused(data):
    with pytest.raises(RemoteProtocolError) as refusal:
        parse(data)
    assert refusal.value.code == "message_too_large"


@pytest.mark.parametrize("length", ["-1", "abc", "1 2", "٣"])
def test_a_content_length_that_is_no_number_is_not_believed(length):
    text = f"RTSP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()
    with pytest.raises(RemoteProtocolError):
        read_message(text, 0, len(text))


def test_read_message_works_in_place_inside_a_larger_buffer():
    data = RESPONSE.to_bytes()
    buf = bytearray(b"before" + data + b"after")
    found = read_message(buf, 6, 6 + len(data))
    assert found == (RESPONSE, 6 + len(data))
    assert read_message(memoryview(buf), 6, 6 + len(data) - 1) is None
    assert read_message(buf, 6, 10) is None


def test_what_cannot_become_a_message_is_refused_before_a_line_end():
    for start in (b"\x80\x60\x00", b"GET / HTTP/1.1\r\n", b"hello", b"RTSP/2 hello\r\n"):
        with pytest.raises(RemoteProtocolError):
            read_message(start, 0, len(start))


def test_resync_finds_the_next_frame_or_message_and_always_advances():
    assert find_resync(b"\xff\xff$\x00rest", 0, 8) == 2
    assert find_resync(b"$\xff\xff\xff" + RESPONSE.to_bytes(), 0, 80) == 4
    assert find_resync(b"\xff", 0, 1) == 1
    assert find_resync(b"\xff" * 100, 0, 100) == 76


def test_a_header_that_would_break_its_line_is_not_written():
    with pytest.raises(RemoteProtocolError):
        Response(200, headers=Headers([("X", "a\r\nInjected: b")])).to_bytes()


def test_every_status_has_a_reason():
    assert b"453 Not Enough Bandwidth\r\n" in Response(453).to_bytes()
    assert set(m.REASONS) >= {200, 401, 404, 453, 454, 461}
