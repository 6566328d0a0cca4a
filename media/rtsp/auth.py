"""RTSP authentication: Basic (RFC 7617) and Digest with MD5 and SHA-256 (RFC 2617, 7616), both sides.

Called by the client and the server session. Pure: the client nonce and, on the server, the nonce are arguments.
Speaks to cameras that send several challenges, unquoted values, and parameters nobody asked for. Never logs or
represents a password.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

_SCHEME = re.compile(r"\s*(?:,\s*)?(Basic|Digest)(?=\s|$)", re.IGNORECASE)
_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z-]{1,32})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')
_MAX_CHALLENGE_CHARS = 4096


class Scheme(StrEnum):
    """How to prove who we are, weakest first."""

    BASIC = "Basic"
    DIGEST_MD5 = "Digest MD5"
    DIGEST_SHA256 = "Digest SHA-256"


_STRENGTH = {Scheme.BASIC: 0, Scheme.DIGEST_MD5: 1, Scheme.DIGEST_SHA256: 2}
_ALGORITHMS = {"": Scheme.DIGEST_MD5, "MD5": Scheme.DIGEST_MD5, "SHA-256": Scheme.DIGEST_SHA256}


@dataclass(frozen=True, slots=True)
class Credentials:
    """User name and password of a camera."""

    username: str
    password: str

    def __repr__(self) -> str:
        """Return no secret."""
        return "Credentials(***)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One thing a server asks for. `algorithm` and `opaque` are as written, to be sent back."""

    scheme: Scheme
    realm: str = ""
    nonce: str = ""
    algorithm: str = ""
    opaque: str = ""
    has_qop_auth: bool = False
    is_stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestInput:
    """What a digest response is made over. `uri` must be, letter for letter, the URL of the request."""

    method: str
    uri: str
    cnonce: str = ""
    nonce_count: int = 1


def parse_parameters(text: str) -> dict[str, str]:
    """Return `key="value", key=value` pairs, keys in lower case, the first of a name counting."""
    found: dict[str, str] = {}
    at = 0
    while match := _PARAMETER.match(text, at):
        value = match.group(2)
        unquoted = re.sub(r"\\(.)", r"\1", value) if value is not None else match.group(3)
        found.setdefault(match.group(1).lower(), unquoted)
        at = match.end()
    return found


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Return the challenges of all `WWW-Authenticate` values, strongest first; unknown schemes are left out.

    One header may hold several challenges. Of a Digest with `-sess` or an unknown algorithm nothing is returned.
    """
    found = []
    for text in headers:
        bounded = text[:_MAX_CHALLENGE_CHARS]
        begins = [m for m in _SCHEME.finditer(bounded) if not _is_inside_quotes(bounded, m.start(1))]
        ends = [*(m.start() for m in begins), len(bounded)][1:]
        for match, after in zip(begins, ends, strict=True):
            challenge = _challenge(match.group(1), parse_parameters(bounded[match.end() : after]))
            if challenge is not None:
                found.append(challenge)
    return sorted(found, key=lambda c: -_STRENGTH[c.scheme])


def _is_inside_quotes(text: str, at: int) -> bool:
    return text.count('"', 0, at) % 2 == 1


def _challenge(scheme: str, parameters: dict[str, str]) -> Challenge | None:
    if scheme.lower() == "basic":
        return Challenge(scheme=Scheme.BASIC, realm=parameters.get("realm", ""))
    kind = _ALGORITHMS.get(parameters.get("algorithm", "").upper())
    if kind is None:
        return None
    return Challenge(
        scheme=kind,
        realm=parameters.get("realm", ""),
        nonce=parameters.get("nonce", ""),
        algorithm=parameters.get("algorithm", ""),
        opaque=parameters.get("opaque", ""),
        has_qop_auth="auth" in [word.strip() for word in parameters.get("qop", "").split(",")],
        is_stale=parameters.get("stale", "").lower() == "true",
    )


def authorization(challenge: Challenge, credentials: Credentials, request: DigestInput) -> str:
    """Return the `Authorization` value that answers `challenge`."""
    if challenge.scheme is Scheme.BASIC:
        pair = f"{credentials.username}:{credentials.password}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")
    quoted = {
        "username": credentials.username,
        "realm": challenge.realm,
        "nonce": challenge.nonce,
        "uri": request.uri,
        "response": digest_response(challenge, credentials, request),
    }
    if challenge.opaque:
        quoted["opaque"] = challenge.opaque
    parts = [f'{name}="{_escape(value)}"' for name, value in quoted.items()]
    if challenge.algorithm:
        parts.append(f"algorithm={challenge.algorithm}")
    if challenge.has_qop_auth:
        parts += ["qop=auth", f"nc={request.nonce_count:08x}", f'cnonce="{_escape(request.cnonce)}"']
    return "Digest " + ", ".join(parts)


def digest_response(challenge: Challenge, credentials: Credentials, request: DigestInput) -> str:
    """Return the hex digest (RFC 2617 §3.2.2; with `qop=auth` when the challenge offers it)."""

    def hashed(*parts: str) -> str:
        joined = ":".join(parts).encode()
        if challenge.scheme is Scheme.DIGEST_SHA256:
            return hashlib.sha256(joined).hexdigest()
        return hashlib.md5(joined, usedforsecurity=False).hexdigest()  # what cameras speak

    who = hashed(credentials.username, challenge.realm, credentials.password)
    what = hashed(request.method, request.uri)
    if challenge.has_qop_auth:
        return hashed(who, challenge.nonce, f"{request.nonce_count:08x}", request.cnonce, "auth", what)
    return hashed(who, challenge.nonce, what)


def _escape(text: str) -> str:
    clean = text.replace("\r", "").replace("\n", "")
    return clean.replace("\\", "\\\\").replace('"', '\\"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAuth:
    """What a server asks for, and how it checks the answer."""

    credentials: Credentials
    schemes: Sequence[Scheme] = (Scheme.DIGEST_MD5, Scheme.BASIC)
    realm: str = "camera"

    def challenges(self, nonce: str, *, is_stale: bool = False) -> list[str]:
        """Return the `WWW-Authenticate` values, in the order of `schemes`."""
        return [self._challenge_text(scheme, nonce, is_stale=is_stale) for scheme in self.schemes]

    def _challenge_text(self, scheme: Scheme, nonce: str, *, is_stale: bool) -> str:
        if scheme is Scheme.BASIC:
            return f'Basic realm="{self.realm}"'
        stale = ", stale=true" if is_stale else ""
        if scheme is Scheme.DIGEST_SHA256:
            return f'Digest realm="{self.realm}", nonce="{nonce}", algorithm=SHA-256, qop="auth"{stale}'
        return f'Digest realm="{self.realm}", nonce="{nonce}"{stale}'

    def check(self, method: str, header: str, nonce: str) -> bool:
        """Tell whether an `Authorization` value answers one of our challenges made with `nonce`."""
        scheme, _, rest = header.strip().partition(" ")
        if scheme.lower() == "basic":
            return Scheme.BASIC in self.schemes and self._check_basic(rest)
        if scheme.lower() != "digest":
            return False
        given = parse_parameters(rest[:_MAX_CHALLENGE_CHARS])
        kind = _ALGORITHMS.get(given.get("algorithm", "").upper())
        if kind is None or kind not in self.schemes or given.get("nonce") != nonce:
            return False
        return self._check_digest(kind, method, given)

    def _check_basic(self, text: str) -> bool:
        try:
            pair = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        expected = f"{self.credentials.username}:{self.credentials.password}".encode()
        return hmac.compare_digest(pair, expected)

    def _check_digest(self, kind: Scheme, method: str, given: dict[str, str]) -> bool:
        if given.get("username") != self.credentials.username or given.get("realm") != self.realm:
            return False
        count = given.get("nc", "1")
        challenge = Challenge(
            scheme=kind, realm=self.realm, nonce=given["nonce"], has_qop_auth=given.get("qop") == "auth"
        )
        made_over = DigestInput(
            method=method,
            uri=given.get("uri", ""),
            cnonce=given.get("cnonce", ""),
            nonce_count=int(count, 16) if re.fullmatch(r"[0-9a-fA-F]{1,8}", count) else 0,
        )
        expected = digest_response(challenge, self.credentials, made_over)
        return hmac.compare_digest(expected.encode(), given.get("response", "").lower().encode())
