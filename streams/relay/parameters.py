"""Codec parameters and track descriptions as JSON between workers. Pure; used by `exporter` and `remote`."""

from typing import Any

from media.base.errors import RemoteProtocolError
from media.packet import Codec, CodecParams


def params_to_json(params: CodecParams) -> dict[str, Any]:
    """Return a JSON object for `params`."""
    return {
        "codec": params.codec.value,
        "clock_rate_hz": params.clock_rate_hz,
        "rfc6381": params.rfc6381,
        "width": params.width,
        "height": params.height,
        "fps": params.fps,
        "parameter_sets": [each.hex() for each in params.parameter_sets],
        "sample_rate_hz": params.sample_rate_hz,
        "channels": params.channels,
        "config": params.config.hex(),
    }


def params_from_json(found: Any) -> CodecParams:
    """Return the parameters; RemoteProtocolError when they are malformed."""
    try:
        return CodecParams(
            codec=Codec(found["codec"]),
            clock_rate_hz=int(found["clock_rate_hz"]),
            rfc6381=str(found["rfc6381"]),
            width=int(found["width"]),
            height=int(found["height"]),
            fps=float(found["fps"]),
            parameter_sets=tuple(bytes.fromhex(each) for each in found["parameter_sets"]),
            sample_rate_hz=int(found["sample_rate_hz"]),
            channels=int(found["channels"]),
            config=bytes.fromhex(found["config"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RemoteProtocolError("malformed codec parameters") from error
