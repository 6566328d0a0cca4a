"""`python -m streams.simulator`: the camera simulator by itself. `xiangyun simulate` is the same with more comfort."""

import argparse
import asyncio
import sys
from pathlib import Path

import uvloop

from media.base.errors import HubError
from media.packet import Codec
from streams.simulator.defects import describe_defects
from streams.simulator.options import SimulatorOptions, parse_defects
from streams.simulator.server import Simulator, run_simulator


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="simulate", epilog=describe_defects(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--clip", type=Path, nargs="*", default=[], metavar="FILE")
    parser.add_argument("--codec", choices=["h264", "h265"], default="h264")
    parser.add_argument("--audio", choices=["none", "aac", "pcma", "pcmu"], default="none")
    parser.add_argument("--defect", nargs="*", default=[], metavar="NAME", help="NAME for all, or CAMERA:NAME")
    parser.add_argument("--resolution", default="1280x720", metavar="WxH")
    parser.add_argument("--rate", type=int, default=2_000_000, metavar="BIT/S")
    parser.add_argument("--username", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--paced", action="store_true", help="packets one by one instead of in bursts")
    return parser.parse_args()


def _options(given: argparse.Namespace) -> SimulatorOptions:
    width, _, height = given.resolution.partition("x")
    return SimulatorOptions(
        host=given.host,
        port=given.port,
        cameras=given.cameras,
        clips=tuple(given.clip),
        codec=Codec(given.codec),
        audio=None if given.audio == "none" else Codec(given.audio),
        defects=parse_defects(given.defect),
        size=(int(width), int(height)),
        rate_bps=given.rate,
        username=given.username,
        password=given.password,
        is_paced=given.paced,
    )


def _announce(simulator: Simulator) -> None:
    sys.stdout.write(f"ready {simulator.url(1, with_credentials=False)}\n")
    sys.stdout.flush()


def main() -> int:
    """Serve until interrupted; return the exit code."""
    try:
        uvloop.run(run_simulator(_options(_arguments()), _announce))
    except (HubError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
