"""What `run` says when the hub is ready."""

import structlog

from api.processes.run import local_url
from api.settings import Settings

log = structlog.get_logger(__name__)


async def say_ready(settings: Settings) -> None:
    """Log where the console is."""
    secure = f"https://{settings.host}:{settings.tls_port}" if settings.tls_port else ""
    log.info("the hub is ready", url=local_url(settings), secure_url=secure)
