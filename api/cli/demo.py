"""`xiangyun demo`: the hub with something to look at."""

from api.cli.options import DataDir, Host, Port
from api.demo import run_demo
from api.settings import load_settings


def demo(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Run the hub with a sample county, users of three roles and six simulated cameras."""
    run_demo(load_settings({"host": host, "port": port, "data_dir": data_dir}))
