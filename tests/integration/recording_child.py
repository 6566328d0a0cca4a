"""A process that records a meeting in simulated time, says how far it has come, and waits to be killed."""

import asyncio
import sys
from pathlib import Path

from api.processes.meeting_footage import MeetingFootage
from recorder.recorder import RecorderOptions
from tests.unit.recorder.world import World
from tests.unit.streams.recording.talker import CAMERA, MICROPHONE, Stage, Talker, pictures, sounds

FED_S = 7.7
"""In the middle of a fragment."""


async def main(root: Path, epoch: int) -> None:
    """Record until `FED_S` and stay."""
    async with World(root, RecorderOptions(segment_s=300), epoch=epoch) as world:
        world.clock.advance(60.0 * epoch)
        stage = Stage(MeetingFootage(world.recorder, 90))
        stage.clock = stage.recorder._clock = world.clock
        stage.begin_ns = world.clock.mono_ns()
        li = Talker(stage)
        li.send(li.track(CAMERA), pictures())
        li.send(li.track(MICROPHONE), sounds())
        li.recorded()
        stage.run(FED_S)
        await world.recorder.flush()  # what a thread has taken is written; what is in memory is not
        print("fed", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
