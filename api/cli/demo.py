"""`xiangyun demo`: the hub with something to look at."""

from pathlib import Path

from api.cli.options import DataDir, Host, Port
from api.operations.demo import run_demo
from api.settings import Settings, load_settings


def demo(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Run the hub with a sample county, users of four roles and six simulated cameras (in data/demo by default)."""
    given = {"host": host, "port": port, "data_dir": data_dir}
    settings = load_settings(given)
    if settings.data_dir == (Path.cwd() / Settings.model_fields["data_dir"].default).resolve():
        settings = load_settings(given | {"data_dir": settings.data_dir / "demo"})  # never beside a real county
    run_demo(settings)
