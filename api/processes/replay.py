"""The replay process: recorded bytes, served from a private app on a unix socket.

Started by the supervisor as `python -m api.processes.replay`. It reads the volumes' indexes and files and writes
neither; so that neither the ingest loop nor api ever waits for a disk. Authenticates nobody: its socket lies in a
directory only this user may enter, and api asks first.
"""

from api.processes.private_app import run_private_app
from api.processes.replay_figures import add_figures
from api.processes.start import start_process
from api.processes.volumes import all_volumes
from media.base.clock import SystemClock
from recorder.replay.app import create_app


def main() -> None:
    """Serve until SIGTERM."""
    settings = start_process("replay")
    app = create_app(all_volumes(settings), SystemClock())
    add_figures(app, app.state.replay.catalog)
    run_private_app(app, settings.replay_socket)


if __name__ == "__main__":
    main()
