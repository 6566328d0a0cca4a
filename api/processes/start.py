"""What every child does first: read the settings its supervisor resolved, name itself, set up its log."""

import os
import resource
import sys

import setproctitle
import structlog

from api.settings import Settings, SettingsError, load_settings
from media.base import log as logs


def start_process(name: str) -> Settings:
    """Return the settings from the environment; exits with 2 and a sentence when they cannot be used."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    setproctitle.setproctitle(f"xiangyun {name}")
    allow_open_files()
    os.umask(0o077)  # footage, accounts and notes are this user's only, also in a data directory made by somebody else
    set_up_log(settings, name)
    structlog.get_logger(__name__).info("process started", node=settings.node)
    return settings


def allow_open_files() -> None:
    """Raise the soft limit of open files to the hard one: a camera takes four, and 1024 is the usual default."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def set_up_log(settings: Settings, name: str) -> None:
    """Write the log as JSON lines, or for people when the format is `auto` and stderr a terminal."""
    is_console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    logs.setup(process=name, level=settings.log_level, as_json=not is_console)
