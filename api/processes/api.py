"""The api process: wires the control plane and serves it over HTTP and HTTPS.

Started by the supervisor as `python -m api.processes.api`. One event loop; both servers share one app, whose life
(lifespan) belongs to the first. Brings the database to its present shape before it listens. Decides nothing itself.
"""

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from api.app import create_app
from api.auth.passwords import Passwords
from api.auth.tokens import TokenSigner
from api.context import ApiContext, ControlOptions
from api.db.engine import Database
from api.db.migrate import upgrade
from api.forward.private_apps import UnixWorkers
from api.processes.http_protocol import GuardedProtocol
from api.processes.private_app import QuietServer
from api.processes.start import start_process
from api.secrets.certificates import LocalAuthority, TlsFiles, server_names
from api.secrets.cipher import Cipher, derive_key
from api.settings import Settings
from api.state import SlotInfo, State
from media.base.clock import Clock, SystemClock, utc_of_us
from media.base.tasks import Owner
from streams.ingest.networks import SourceNetworks

log = structlog.get_logger(__name__)

GRACEFUL_S = 2
"""Event streams never end by themselves; downloads are asked for again."""

SESSION_FRAME_BYTES = 4 * (256 << 10) + 4096
"""An offer of 256 Ki characters of up to four bytes; the gate counts characters."""
PING_S = 20.0
"""A phone whose network has gone is noticed within 40 s; proxies cut what is silent for 60 s."""
RENEW_EVERY_S = 86_400.0
TLS_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption, which every browser since 2015 has."""


@asynccontextmanager
async def open_context(settings: Settings, clock: Clock) -> AsyncIterator[ApiContext]:
    """Give everything the control plane needs, with the database in its present shape; closes it all."""
    db = Database(settings.sqlalchemy_url)
    state = State.open(settings.state_url)
    workers = UnixWorkers(state, clock, own_slots(settings))
    passwords = Passwords()
    transport = httpx.AsyncHTTPTransport(uds=str(settings.replay_socket))
    replay = httpx.AsyncClient(transport=transport, base_url="http://replay", timeout=30.0)
    try:
        await upgrade(db)
        yield ApiContext(
            options=_options(settings),
            db=db,
            state=state,
            cipher=Cipher(settings.secret),
            signer=TokenSigner(derive_key(settings.secret, "access tokens")),
            passwords=passwords,
            networks=SourceNetworks.parse(",".join(settings.source_networks)),
            clock=clock,
            workers=workers,
            replay=replay,
        )
    finally:
        await replay.aclose()
        await workers.aclose()
        await state.aclose()
        await db.aclose()


def own_slots(settings: Settings) -> list[SlotInfo]:
    """Return the worker slots of this node as they register themselves, for a start without the shared state."""
    return [
        SlotInfo(
            slot=f"{settings.node}/{number}", node=settings.node, number=number, workers=settings.workers,
            socket=str(settings.worker_socket(number)), is_manned=True,
        )
        for number in range(settings.workers)
    ]  # fmt: skip


def _options(settings: Settings) -> ControlOptions:
    return ControlOptions(
        session_spread=settings.session_spread,
        turn_urls=settings.turn_urls,
        turn_secret=settings.turn_secret.get_secret_value() if settings.turn_secret else None,
        node=settings.node,
        admin_password=settings.admin_password.get_secret_value() if settings.admin_password else None,
    )


class Certificates:
    """Keeps the HTTPS certificate good: one's own files as they are, or the local authority's leaf."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Use the given files, or `<data_dir>/tls`."""
        self._settings = settings
        self._clock = clock
        self._authority = None if settings.tls_cert else LocalAuthority(settings.data_dir / "tls")
        self.files = self._authority.files if self._authority else _given(settings)

    def renew(self) -> bool:
        """Make the leaf anew when it needs it; reads and writes files. Return whether it is new."""
        if self._authority is None:
            return False
        names = server_names((*self._settings.public_addresses, self._settings.host))
        return self._authority.ensure(names, utc_of_us(self._clock.wall_us()))

    async def keep(self, context: ssl.SSLContext) -> None:
        """Once a day: renew, and let new connections use what the files hold now."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            await asyncio.to_thread(self.renew)
            try:
                context.load_cert_chain(self.files.certificate, self.files.key)
            except (OSError, ssl.SSLError) as error:
                log.error("the HTTPS certificate cannot be read, the old one stays", error=str(error))


def _given(settings: Settings) -> TlsFiles:
    assert settings.tls_cert is not None  # the settings refuse one without the other
    assert settings.tls_key is not None
    return TlsFiles(settings.tls_cert, settings.tls_key, None)


def add_authority_download(app: FastAPI, files: TlsFiles) -> None:
    """Offer the local authority's certificate at `/ca.crt`: public by nature, and the cure for the browser's warning."""
    authority = files.authority
    if authority is None:
        return

    async def download(_request: Request) -> Response:
        return FileResponse(authority, media_type="application/x-x509-ca-cert", filename="xiangyun-ca.crt")

    app.router.routes.insert(0, Route("/ca.crt", download, include_in_schema=False))


def server_config(app: FastAPI, settings: Settings, port: int) -> uvicorn.Config:
    """Return what both servers have in common."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_S,
        timeout_keep_alive=65,
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1,::1",
        http=GuardedProtocol,
        ws="websockets-sansio",
        ws_max_size=SESSION_FRAME_BYTES,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,
    )


async def serve(settings: Settings, clock: Clock) -> None:
    """Serve until SIGTERM."""
    certificates = Certificates(settings, clock)
    async with open_context(settings, clock) as context, Owner("control") as owner:
        app = create_app(context)
        add_authority_download(app, certificates.files)
        servers = [QuietServer(server_config(app, settings, settings.port))]
        if settings.tls_port:
            servers.append(await _secure_server(app, settings, certificates, owner))

        def stop() -> None:
            app.state.control.events.close()
            for server in servers:
                server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        first, *others = servers
        first_task = owner.start(first.serve(), "http")
        up = owner.start(first.up.wait(), "up")  # the second server shares the first one's app, so it waits for it
        await asyncio.wait({up, first_task}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(first_task, *(owner.start(server.serve(), "https") for server in others))


async def _secure_server(app: FastAPI, settings: Settings, certificates: Certificates, owner: Owner) -> QuietServer:
    if await asyncio.to_thread(certificates.renew):
        log.info("a new HTTPS certificate was made", path=str(certificates.files.certificate))
    config = server_config(app, settings, settings.tls_port)
    config.lifespan = "off"
    config.ssl_certfile = certificates.files.certificate
    config.ssl_keyfile = certificates.files.key
    config.ssl_ciphers = TLS_CIPHERS
    config.load()
    assert config.ssl is not None  # a certificate was given
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    owner.start(certificates.keep(config.ssl), "certificates")
    return QuietServer(config)


def main() -> None:
    """Serve until SIGTERM."""
    settings = start_process("api")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, SystemClock()))


if __name__ == "__main__":
    main()
