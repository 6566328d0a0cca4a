"""`xiangyun doctor`: look at everything the hub leans on, and say the exact cure of what is wrong.

Called by the command line; may take some seconds, writes one temporary file per volume, changes nothing. Each check
is a function from settings to findings and never raises for what it finds. Works beside a running hub, whose own
ports are not held against it.
"""

import asyncio
import ctypes
import os
import resource
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from api.db.engine import Database
from api.processes.home import DataDirLock
from api.processes.ports import ports_of, why_not
from api.processes.valkey import server_binary
from api.processes.volumes import all_volumes
from api.secrets.certificates import server_names
from api.settings import Settings
from api.state import State
from media.base.clock import Clock, SystemClock
from media.base.errors import HubError
from media.base.log import redact
from media.ffmpeg.command import ffmpeg_binary

CAMERA_RATE_MB_S = 0.25
"""2 Mbit/s, what a county camera sends."""

SPEED_TEST_MB = 64
LOW_SPACE = 0.10
UDP_BUFFER_BYTES = 4 << 20
OPEN_FILES = 4096
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""


class Health(StrEnum):
    """How a finding is."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what was seen and, unless it is good, what to do."""

    subject: str
    health: Health
    says: str
    fix: str = ""


Check = Callable[[Settings], Iterator[Finding]]


def examine(settings: Settings) -> list[Finding]:
    """Return the findings of every check, in the order in which a person should mend them."""
    return [finding for check in CHECKS for finding in check(settings)]


def good(subject: str, says: str) -> Finding:
    """Return a finding that is fine."""
    return Finding(subject, Health.GOOD, says)


def bad(subject: str, says: str, fix: str) -> Finding:
    """Return a finding that keeps the hub from working."""
    return Finding(subject, Health.BAD, says, fix)


def doubtful(subject: str, says: str, fix: str) -> Finding:
    """Return a finding that will hurt some day."""
    return Finding(subject, Health.DOUBTFUL, says, fix)


def running_pid(settings: Settings) -> int:
    """Return the process id of the hub that runs on this data directory, 0 when none does."""
    if not (settings.data_dir / "lock").exists():
        return 0
    try:
        DataDirLock.take(settings.data_dir, wait_s=0).release()
    except HubError:
        text = (settings.data_dir / "lock").read_text(encoding="ascii", errors="replace").strip()
        return int(text) if text.isdigit() else 1
    return 0


def check_ports(settings: Settings) -> Iterator[Finding]:
    """Are the TCP and UDP ports free, or held by our own hub?"""
    pid = running_pid(settings)
    if pid:
        yield good("hub", f"running, process {pid}")
    for use in ports_of(settings):
        problem = why_not(use)
        if problem and not pid:
            yield bad("port", problem.partition(";")[0], problem.partition("; ")[2] or "choose another port")
        else:
            yield good("port", f"{use} is {'used by the running hub' if problem else 'free'}")


def check_udp(_settings: Settings) -> Iterator[Finding]:
    """Does UDP work here, and may a socket buffer hold a key frame for many viewers?"""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.bind(("127.0.0.1", 0))
            ours.settimeout(1.0)
            ours.sendto(b"xiangyun", ours.getsockname())
            ours.recv(16)
    except OSError as error:
        yield bad("udp", f"a datagram to this machine itself is lost ({error})", "let the firewall pass UDP on lo")
    limit = Path("/proc/sys/net/core/wmem_max")
    size = int(limit.read_text()) if limit.exists() else UDP_BUFFER_BYTES
    if size < UDP_BUFFER_BYTES:
        cure = (
            f"printf 'net.core.wmem_max={UDP_BUFFER_BYTES}\\nnet.core.rmem_max={UDP_BUFFER_BYTES}\\n'"
            " | sudo tee /etc/sysctl.d/60-xiangyun.conf && sudo sysctl --system"
        )
        yield doubtful("udp", f"send buffers end at {size >> 10} KiB; many viewers of one camera lose packets", cure)
    else:
        yield good("udp", "datagrams pass, buffers are large enough")


def stun_request() -> bytes:
    """Return a STUN binding request (RFC 8489 §6)."""
    return b"\x00\x01\x00\x00\x21\x12\xa4\x42" + secrets.token_bytes(12)


def check_turn(settings: Settings) -> Iterator[Finding]:
    """Does every TURN or STUN server answer?"""
    if not settings.turn_urls:
        yield good("turn", "none set; browsers behind strict networks will see no live pictures")
    for url in settings.turn_urls:
        scheme, _, rest = url.partition(":")
        where, _, query = rest.partition("?")
        host, colon, port = where.rpartition(":")
        address = (
            (host.strip("[]"), int(port)) if colon and port.isdigit() else (where, 5349 if scheme[-1] == "s" else 3478)
        )
        is_tcp = scheme.endswith("s") or "transport=tcp" in query
        try:
            _ask_turn(address, is_tcp=is_tcp)
        except OSError as error:
            cure = f"see that it runs and that its firewall passes {'TCP' if is_tcp else 'UDP'} {address[1]}, or take it out of turn_urls"
            yield bad("turn", f"{url} does not answer ({error})", cure)
        else:
            yield good("turn", f"{url} answers")


def _ask_turn(address: tuple[str, int], *, is_tcp: bool) -> None:
    if is_tcp:
        socket.create_connection(address, timeout=3.0).close()
        return
    family, kind, protocol, _, target = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as asking:
        asking.settimeout(1.0)
        for _ in range(3):
            request = stun_request()
            asking.sendto(request, target)
            try:
                if asking.recv(1500)[4:20] == request[4:20]:
                    return
            except TimeoutError:
                continue
    raise TimeoutError("no answer")


def check_clock(_settings: Settings) -> Iterator[Finding]:
    """Is the machine's clock kept by NTP? Recordings carry its time."""
    libc = ctypes.CDLL(None, use_errno=True)
    answer = libc.adjtimex(ctypes.create_string_buffer(512))  # struct timex is 208 bytes; all zero means: only tell
    if answer == _TIME_ERROR:
        cure = "sudo apt-get install -y chrony, or sudo timedatectl set-ntp true, with a time server the county trusts"
        yield doubtful("clock", "nobody keeps this machine's clock; recordings will carry a wrong time", cure)
    else:
        yield good("clock", "kept by a time server")


def check_disks(settings: Settings) -> Iterator[Finding]:
    """Is there room, may we write, and how fast?"""
    for path in dict.fromkeys([settings.data_dir, *all_volumes(settings)]):
        existing = next(parent for parent in (path, *path.parents) if parent.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            cure = f"sudo mkdir -p {path} && sudo chown {os.getuid()}:{os.getgid()} {path}"
            yield bad("disk", f"{path} cannot be written", cure)
            continue
        usage = shutil.disk_usage(existing)
        room = f"{path}: {usage.free / 1e9:.1f} of {usage.total / 1e9:.1f} GB free"
        if usage.free < usage.total * LOW_SPACE:
            yield doubtful("disk space", room, "set `volumes` to a larger disk, or shorten the retention of cameras")
        else:
            yield good("disk space", room)
    for root in settings.recording_volumes:
        existing = next(parent for parent in (root, *root.parents) if parent.exists())
        if os.access(existing, os.W_OK | os.X_OK):
            yield disk_speed(existing, SystemClock())


def disk_speed(directory: Path, clock: Clock) -> Finding:
    """Write and sync 64 MB in 1 MB steps and say for how many cameras that is enough."""
    block = os.urandom(1 << 20)
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            started_ns = clock.mono_ns()
            for _ in range(SPEED_TEST_MB):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            took_s = (clock.mono_ns() - started_ns) / 1e9
    except OSError as error:
        return bad("disk speed", f"{directory}: {error.strerror}", "free some space or mend the disk")
    rate_mb_s = SPEED_TEST_MB / max(took_s, 1e-6)
    cameras = int(rate_mb_s / 2 / CAMERA_RATE_MB_S)  # half of it: replay reads while recording writes
    says = f"{directory}: {rate_mb_s:.0f} MB/s written and synced, enough for about {cameras} cameras of 2 Mbit/s"
    if cameras < 16:
        return doubtful("disk speed", says, "record to a local disk (not a network share or an SD card): set `volumes`")
    return good("disk speed", says)


def check_programs(settings: Settings) -> Iterator[Finding]:
    """Are ffmpeg with its codecs and the state server there?"""
    reinstall = "reinstall: make clean && make run"
    try:
        listed = subprocess.run(  # noqa: S603  # our own binary, no user input
            [ffmpeg_binary(), "-hide_banner", "-codecs"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        yield bad("codecs", f"ffmpeg does not run ({error})", reinstall)
    else:
        flags = {line.split()[1]: line.split()[0] for line in listed.splitlines() if len(line.split()) > 2}
        wanted = {"h264": "D", "hevc": "D", "pcm_alaw": "D", "pcm_mulaw": "D", "aac": "E", "mjpeg": "E"}
        missing = [name for name, letter in wanted.items() if letter not in flags.get(name, "")]
        if missing:
            yield bad("codecs", f"ffmpeg lacks {', '.join(missing)}", reinstall)
        else:
            yield good("codecs", "H.264, H.265, G.711, AAC and JPEG")


def check_servers(settings: Settings) -> Iterator[Finding]:
    """Do the database and the shared state answer, where they are not our own?"""
    if settings.redis_url is None:
        try:
            yield good("state", f"private Valkey at {server_binary()}")
        except FileNotFoundError as error:
            yield bad("state", str(error), "sudo apt-get install -y redis-server and set XIANGYUN_REDIS_URL")
    else:
        yield asyncio.run(_ask_state(settings.state_url))
    if settings.database_url is not None:
        yield asyncio.run(_ask_database(settings.sqlalchemy_url))


async def _ask_state(url: str) -> Finding:
    state = State.open(url)
    try:
        return good("state", await state.server_version())
    except HubError as error:
        return bad("state", f"{error.message} ({redact(str(error.context.get('cause', '')))})", "see redis_url")
    finally:
        await state.aclose()


async def _ask_database(url: str) -> Finding:
    try:
        db = Database(url)
    except HubError as error:
        return bad("database", error.message, "see database_url")
    try:
        await db.ping()
    except HubError as error:
        cure = "see database_url, and that the server runs and lets this machine in (pg_hba.conf)"
        return bad("database", f"{error.message} ({error.context.get('cause', '')})", cure)
    else:
        return good("database", "answers")
    finally:
        await db.aclose()


def check_limits(_settings: Settings) -> Iterator[Finding]:
    """May a process open enough files? A camera takes four."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < OPEN_FILES:
        cure = (
            f"raise it: `ulimit -n {OPEN_FILES}` before `xiangyun run`, or LimitNOFILE={OPEN_FILES} in the systemd unit"
        )
        yield doubtful("open files", f"limited to {hard}", cure)
    else:
        yield good("open files", f"{soft} now, up to {hard}")


def check_addresses(settings: Settings) -> Iterator[Finding]:
    """Under which addresses do browsers reach the hub, and will they get pictures and microphone there?"""
    outside = [name for name in server_names(settings.public_addresses) if name[0].isdigit() and name != "127.0.0.1"]
    if settings.host in {"127.0.0.1", "::1", "localhost"}:
        cure = "set XIANGYUN_HOST=0.0.0.0 to let other machines in"
        yield doubtful("address", f"http://127.0.0.1:{settings.port} is reached from this machine only", cure)
    else:
        yield good("address", ", ".join(f"http://{name}:{settings.port}" for name in outside) or settings.host)
    if not settings.tls_port:
        yield doubtful(
            "https", "switched off", "browsers give no microphone on plain http: put nginx with TLS in front"
        )
    elif settings.tls_cert is None:
        where = outside[0] if outside else "127.0.0.1"
        says = f"https://{where}:{settings.tls_port} with the hub's own authority"
        fix = f"install http://{where}:{settings.port}/ca.crt on each browser once, or set tls_cert and tls_key"
        yield Finding("https", Health.GOOD, says, fix)
    else:
        yield good("https", f"with {settings.tls_cert}")
    if not settings.public_addresses:
        yield good(
            "media address",
            f"browsers are told {', '.join(outside) or 'this machine only'}, UDP {settings.media_udp_port}",
        )


CHECKS: tuple[Check, ...] = (
    check_ports,
    check_udp,
    check_turn,
    check_clock,
    check_disks,
    check_programs,
    check_servers,
    check_limits,
    check_addresses,
)
