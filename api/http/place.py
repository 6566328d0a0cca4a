"""The address under which the browser reached us, for links that others are to open. Pure.

The host is what the request says, as far as it is a host; behind a proxy on this machine that is the proxy's public
name. What is no host becomes `localhost`, so that nothing a client sends ends up in a link or a picture.
"""

import re

from starlette.requests import HTTPConnection

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?", re.ASCII)


def host_of(request: HTTPConnection) -> str:
    """Return host and port as the browser names them."""
    host = request.headers.get("host", "")
    return host if _HOST.fullmatch(host) else "localhost"


def is_secure(request: HTTPConnection) -> bool:
    """Tell whether the browser speaks TLS, to us or to the proxy before us."""
    return request.url.scheme in {"https", "wss"}


def page_base(request: HTTPConnection) -> str:
    """Return the address of the console, without a slash at the end."""
    return f"{'https' if is_secure(request) else 'http'}://{host_of(request)}"


def session_url(request: HTTPConnection) -> str:
    """Return the address of the session gate."""
    return f"{'wss' if is_secure(request) else 'ws'}://{host_of(request)}/api/v1/session"


def is_same_host(request: HTTPConnection) -> bool:
    """Tell whether a WebSocket was opened by a page of this host, or by no page at all (RFC 6455 §10.2)."""
    origin = request.headers.get("origin")
    if origin is None:
        return True
    scheme, _, rest = origin.partition("://")
    if scheme not in {"http", "https"}:
        return False
    return _with_port(rest, scheme) == _with_port(request.headers.get("host", ""), scheme)


def _with_port(host: str, scheme: str) -> str:
    if re.search(r":[0-9]+$", host) is None:
        host = f"{host}:{443 if scheme == 'https' else 80}"
    return host.lower()
