"""A network in which no UDP leaves the browser's machine, and coturn at its edge.

The browser lives in a network namespace of its own, joined to this one by a pair of virtual interfaces; a routing rule
there prohibits UDP. The hub and coturn stay outside, at the near end of the pair. All addresses are private and gone
with the namespace.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.hub_process import HubProcess, free_port, wait_for
from tests.integration.fixtures_session import DEVICES
from tests.integration.test_whep_chromium import ARGS, CHROMIUM

TURNSERVER = "/usr/bin/turnserver"
CONFIG = Path(__file__).parent / "turn" / "turnserver.conf"
SECRET = secrets.token_hex(16)
RELAY_PORTS = 40


@dataclass(frozen=True)
class Apart:
    """A namespace; `near` is this machine's address towards it, `far` its own."""

    name: str
    near: str
    far: str

    def block_udp(self) -> None:
        """Let no datagram out any more, but to itself."""
        ip("-n", self.name, "rule", "add", "ipproto", "udp", "prohibit")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@contextmanager
def apart() -> Iterator[Apart]:
    """Make a namespace; CalledProcessError, FileNotFoundError where that is not allowed."""
    tag = secrets.token_hex(3)
    net = 4 * secrets.randbelow(64 * 256)
    base = f"10.231.{net >> 8}."
    made = Apart(f"xy-{tag}", f"{base}{(net & 255) + 1}", f"{base}{(net & 255) + 2}")
    ip("netns", "add", made.name)
    try:
        ip("link", "add", f"xyn{tag}", "type", "veth", "peer", "name", f"xyf{tag}", "netns", made.name)
        ip("addr", "add", f"{made.near}/30", "dev", f"xyn{tag}")
        ip("link", "set", f"xyn{tag}", "up")
        ip("-n", made.name, "link", "set", "lo", "up")
        ip("-n", made.name, "addr", "add", f"{made.far}/30", "dev", f"xyf{tag}")
        ip("-n", made.name, "link", "set", f"xyf{tag}", "up")
        yield made
    finally:
        subprocess.run(["ip", "link", "del", f"xyn{tag}"], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", made.name], check=False, capture_output=True)


def why_not() -> str:
    """Return why these tests cannot run here, nothing when they can."""
    for program in ("ip", "nsenter", "openssl", TURNSERVER, CHROMIUM):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    try:
        with apart() as made:
            made.block_udp()
    except subprocess.CalledProcessError as error:
        return f"no network namespace: {error.stderr.strip()}"
    return ""


@dataclass(frozen=True)
class Turn:
    """A running coturn."""

    tcp_url: str
    tls_url: str
    spki: str
    log_path: Path

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")


@contextmanager
def coturn(address: str, folder: Path) -> Iterator[Turn]:
    """Run coturn at an address of this machine, with a certificate made for it."""
    cert, key = folder / "turn.crt", folder / "turn.key"
    spki = certificate(address, cert, key)
    tcp_port, tls_port, first = free_port(), free_port(), free_port(count=RELAY_PORTS)
    log_path = folder / "turn.log"
    argv = [
        TURNSERVER,
        "-c",
        str(CONFIG),
        "--listening-ip",
        address,
        "--relay-ip",
        address,
        "--listening-port",
        str(tcp_port),
    ]
    argv += [
        "--tls-listening-port",
        str(tls_port),
        "--min-port",
        str(first),
        "--max-port",
        str(first + RELAY_PORTS - 1),
    ]
    argv += ["--static-auth-secret", SECRET, "--cert", str(cert), "--pkey", str(key), "--log-file", str(log_path)]
    argv += ["--userdb", str(folder / "turndb"), "--pidfile", str(folder / "turn.pid"), "--no-stdout-log", "--verbose"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    turn = Turn(f"turn:{address}:{tcp_port}?transport=tcp", f"turns:{address}:{tls_port}?transport=tcp", spki, log_path)
    try:
        wait_for("coturn listens", lambda: log_path.exists() and turn.log().count("listener opened") >= 2, 15)
        yield turn
    finally:
        process.terminate()
        process.wait(10)


def certificate(address: str, cert: Path, key: Path) -> str:
    """Make a certificate for an address; return the hash by which Chromium is told to trust it."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=turn", "-addext", f"subjectAltName=IP:{address}", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    digest = f"openssl x509 -in {cert} -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64"
    return subprocess.run(digest, shell=True, check=True, capture_output=True, text=True).stdout.strip()


class HubAt(HubProcess):
    """A hub that is reached under an address of this machine other than loopback."""

    address = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"


def hub_at(address: str, data_dir: Path, **env: str) -> HubAt:
    """Prepare a hub at all addresses that names this one to browsers."""
    env = {"XIANGYUN_PUBLIC_ADDRESSES": address, **env}
    hub = HubAt(data_dir, env=env, arguments=("--host", "0.0.0.0"))
    hub.address = address
    return hub


@contextmanager
def browser_in(place: Apart, origins: tuple[str, ...], folder: Path, spki: str) -> Iterator[Browser]:
    """Run Chromium in the namespace: pages of these origins may use camera and microphone, coturn's key is trusted."""
    wrapper = folder / "chromium"
    wrapper.write_text(f'#!/bin/sh\nexec nsenter --net=/run/netns/{place.name} {CHROMIUM} "$@"\n')
    wrapper.chmod(0o755)
    told = [f"--unsafely-treat-insecure-origin-as-secure={','.join(origins)}"]
    told += [f"--ignore-certificate-errors-spki-list={spki}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=wrapper, args=[*ARGS, *DEVICES, *told], env=dict(os.environ)
        )
        try:
            yield browser
        finally:
            browser.close()
