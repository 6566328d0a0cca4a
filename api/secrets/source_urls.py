"""Camera source URLs: checked when they come in, sealed at rest, masked when shown.

Called by `services.cameras`, import and probe; workers use `unseal`. Pure but for `check_source`, which may resolve
a host name. A clear URL with a password never leaves this module's callers: it is neither answered nor logged.
"""

import re
from urllib.parse import SplitResult, urlsplit

from api.secrets.cipher import Cipher
from media.base.errors import ErrorKind, HubError
from streams.ingest.connection import SourceError
from streams.ingest.networks import SourceNetworks

MAX_URL_CHARS = 1024
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,253}", re.ASCII)
_INLINE_SECRETS = re.compile(r"((?:password|passwd|passwort|pass|pwd|psw|token|secret|auth)=)[^&;_/]*", re.IGNORECASE)
MASK = "***"


def parse_source(url: str) -> SplitResult:
    """Return the parts of a source URL; HubError INVALID `bad_url` or `unsupported_scheme`."""
    if len(url) > MAX_URL_CHARS or any(not 0x21 <= ord(char) < 0x7F for char in url):
        raise _bad("a stream address is printable ASCII without spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise _bad("not a URL") from None
    if parts.scheme and parts.netloc and parts.scheme not in DEFAULT_PORTS:
        raise HubError(ErrorKind.INVALID, "only RTSP for now", code="unsupported_scheme")
    is_ambiguous = "#" in url or "@" in parts.path + parts.query or "\\" in url
    if parts.scheme not in DEFAULT_PORTS or not _HOST.fullmatch(host) or port == 0 or is_ambiguous:
        raise _bad("not a stream address")
    return parts


def _bad(message: str) -> HubError:
    return HubError(ErrorKind.INVALID, message, code="bad_url")


async def check_source(url: str, networks: SourceNetworks, *, must_resolve: bool = False) -> None:
    """Refuse a URL that is none, or whose host lies outside `networks` (`network_not_allowed`).

    A host name that does not resolve now is let through unless `must_resolve`: the worker checks again each time it
    connects.
    """
    parts = parse_source(url)
    try:
        await networks.resolve(parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])
    except SourceError as error:
        if error.code == "network_not_allowed":
            raise HubError(ErrorKind.INVALID, "outside the allowed networks", code="network_not_allowed") from None
        if must_resolve:
            raise HubError(ErrorKind.INVALID, "the host name is not known", code="unreachable") from None


def mask(url: str) -> str:
    """Return `url` without credentials: user information and password-like query values become `***`."""
    parts = urlsplit(url)
    has_user = "@" in parts.netloc
    netloc = f"{MASK}@{parts.netloc.rpartition('@')[2]}" if has_user else parts.netloc
    rest = _INLINE_SECRETS.sub(rf"\g<1>{MASK}", parts.path + (f"?{parts.query}" if parts.query else ""))
    return f"{parts.scheme}://{netloc}{rest}"


def seal(box: Cipher, camera_id: str, url: str) -> str:
    """Return `url` encrypted; it opens only as a URL of `camera_id`."""
    return box.encrypt(url, bound_to=f"camera/{camera_id}")


def unseal(box: Cipher, camera_id: str, sealed: str) -> str:
    """Return the clear URL of `camera_id`; HubError DATA_LOSS when it cannot be read."""
    return box.decrypt(sealed, bound_to=f"camera/{camera_id}")
