from pathlib import Path

import pytest

from api.processes.relaying import SlotAddresses, listen_at
from api.settings import load_settings
from api.state import SlotInfo
from media.base.errors import ErrorKind, HubError


class Register:
    """What workers registered, or a Redis that is away."""

    def __init__(self, *slots: SlotInfo) -> None:
        self.slots_known = {slot.slot: slot for slot in slots}
        self.is_away = False

    async def slots(self) -> dict[str, SlotInfo]:
        if self.is_away:
            raise HubError(ErrorKind.UNAVAILABLE, "away", code="state_unavailable")
        return self.slots_known


FAR = SlotInfo(slot="far/0", node="far", number=0, workers=1, socket="/x", relay="tcp:10.0.0.2:7400")


async def test_workers_of_this_machine_are_found_while_redis_is_away(tmp_path: Path) -> None:
    settings = load_settings({"data_dir": tmp_path, "node": "near"}, {}, tmp_path)
    register = Register()
    register.is_away = True
    found = await SlotAddresses(settings, register).find("near/3")  # type: ignore[arg-type]
    assert (found,) == listen_at(settings, 3)


async def test_workers_of_other_machines_are_remembered(tmp_path: Path) -> None:
    settings = load_settings({"data_dir": tmp_path, "node": "near"}, {}, tmp_path)
    register = Register(FAR)
    addresses = SlotAddresses(settings, register)  # type: ignore[arg-type]
    assert await addresses.find("far/0") == FAR.relay
    register.is_away = True
    assert await addresses.find("far/0") == FAR.relay
    with pytest.raises(HubError) as refused:
        await addresses.find("elsewhere/0")
    assert refused.value.code == "worker_unavailable"
