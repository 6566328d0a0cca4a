import json

import pytest

from media.base.errors import RemoteProtocolError
from streams.relay.parameters import params_from_json, params_to_json
from tests.unit.streams.relay.two_workers import H264, OPUS


@pytest.mark.parametrize("params", [H264, OPUS])
def test_parameters_come_back_through_json(params) -> None:
    assert params_from_json(json.loads(json.dumps(params_to_json(params)))) == params


@pytest.mark.parametrize(
    "broken",
    [None, [], {}, {**params_to_json(H264), "codec": "theora"}, {**params_to_json(H264), "parameter_sets": ["zz"]}],
)
def test_malformed_parameters_are_refused(broken) -> None:
    with pytest.raises(RemoteProtocolError):
        params_from_json(broken)
