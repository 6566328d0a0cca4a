"""Access tokens (signed, 15 minutes) and opaque secrets (refresh tokens, playback grants).

Pure: the clock is an argument. An access token names the user and the log-in session; whether both still stand is
asked of the database at each request, so a token is an identity and never a permission. Opaque secrets are stored
as SHA-256 only; they carry 256 random bits, so a slow hash would add nothing.
"""

import hashlib
import secrets
from dataclasses import dataclass

import jwt
from jwt.types import Options

from media.base.errors import ErrorKind, HubError

ACCESS_LIFETIME_S = 15 * 60
_ISSUER = "xiangyun"
_MAX_TOKEN_CHARS = 4096


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says."""

    user_id: str
    session_id: str
    expires_s: int


class TokenSigner:
    """Makes and reads access tokens under one key."""

    def __init__(self, key: bytes) -> None:
        """Sign with HMAC-SHA256 under `key` (32 bytes or more)."""
        self._key = key

    def issue(self, user_id: str, session_id: str, now_wall_us: int) -> str:
        """Return an access token good for `ACCESS_LIFETIME_S`."""
        now_s = now_wall_us // 1_000_000
        claims = {
            "iss": _ISSUER,
            "aud": "api",
            "sub": user_id,
            "sid": session_id,
            "iat": now_s,
            "exp": now_s + ACCESS_LIFETIME_S,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def read(self, token: str, now_wall_us: int) -> AccessClaims:
        """Return the claims; HubError UNAUTHENTICATED `token_invalid` or `token_expired`."""
        claims = self._decode(token)
        user_id, session_id, expires_s = claims.get("sub"), claims.get("sid"), claims.get("exp")
        if not (isinstance(user_id, str) and isinstance(session_id, str) and isinstance(expires_s, int)):
            raise HubError(ErrorKind.UNAUTHENTICATED, "the token is not ours", code="token_invalid")
        if expires_s <= now_wall_us // 1_000_000:
            raise HubError(ErrorKind.UNAUTHENTICATED, "the token has expired", code="token_expired")
        return AccessClaims(user_id, session_id, expires_s)

    def _decode(self, token: str) -> dict[str, object]:
        """Check signature, issuer and audience; times are checked by the caller against its own clock."""
        options: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": ["exp", "sub"]}
        try:
            return jwt.decode(
                token[:_MAX_TOKEN_CHARS],
                self._key,
                algorithms=["HS256"],
                issuer=_ISSUER,
                audience="api",
                options=options,
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise HubError(ErrorKind.UNAUTHENTICATED, "the token is not ours", code="token_invalid") from None


def new_secret() -> str:
    """Return a fresh opaque secret: 256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    """Return what is stored of an opaque secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
