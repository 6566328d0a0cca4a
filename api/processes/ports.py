"""Are the ports free that the hub is about to open? Asked before any child starts, and by `doctor`.

A port that is taken is the commonest reason why a hub does not come up; found here it is one sentence instead of a
child that dies again and again.
"""

import contextlib
import errno
import socket
from dataclasses import dataclass

from api.settings import Settings


@dataclass(frozen=True, slots=True)
class PortUse:
    """A port the hub needs and the setting it comes from."""

    setting: str
    host: str
    port: int
    is_udp: bool = False

    def __str__(self) -> str:
        """Return for instance `TCP 0.0.0.0:8000 (PORT)`."""
        return f"{'UDP' if self.is_udp else 'TCP'} {self.host}:{self.port} ({self.setting})"


def ports_of(settings: Settings, *, has_api: bool = True, has_workers: bool = True) -> list[PortUse]:
    """Return the ports the hub opens with these settings."""
    uses: list[PortUse] = []
    if has_api:
        uses.append(PortUse("PORT", settings.host, settings.port))
        if settings.tls_port:
            uses.append(PortUse("TLS_PORT", settings.host, settings.tls_port))
    if has_workers and settings.media_udp_port:
        first = settings.media_udp_port
        uses += [PortUse("MEDIA_UDP_PORT", "0.0.0.0", first + n, is_udp=True) for n in range(settings.workers)]  # noqa: S104  # media comes in on every interface
    return uses


def why_not(use: PortUse) -> str | None:
    """Return why the port cannot be opened, with the cure, or None when it can."""
    family = socket.AF_INET6 if ":" in use.host else socket.AF_INET
    kind = socket.SOCK_DGRAM if use.is_udp else socket.SOCK_STREAM
    with contextlib.closing(socket.socket(family, kind)) as probe:
        if not use.is_udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((use.host, use.port))
        except OSError as error:
            return _sentence(use, error)
        except OverflowError:
            return f"{use} is not a port"
    return None


def _sentence(use: PortUse, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{use} is taken by another program; stop it or set XIANGYUN_{use.setting} to a free port"
    if error.errno == errno.EACCES:
        return f"{use} needs root (ports below 1024); set XIANGYUN_{use.setting} to a port above 1023"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{use}: this machine has no such address; set XIANGYUN_HOST to one it has, or 0.0.0.0"
    return f"{use} cannot be opened: {error.strerror}"
