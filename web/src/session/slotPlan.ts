/** How many media slots the subscribing connection offers: some from the start, more in steps as they are wished; pure. */
import type { Limits } from './protocol'

export interface SlotCount {
  audio: number
  video: number
}

const VIDEO_STEP = 4

/** `needed` = wishes of this page; audio slots that the hub fills by itself (the loudest few) come on top. */
export function slotsFor(needed: SlotCount, have: SlotCount, first: SlotCount, limits: Limits | null): SlotCount {
  const most = { audio: limits?.audio_slots ?? first.audio, video: limits?.video_slots ?? first.video }
  const video = needed.video <= have.video ? have.video : Math.ceil(needed.video / VIDEO_STEP) * VIDEO_STEP
  const audio = Math.max(have.audio, first.audio + needed.audio)
  return { audio: Math.min(most.audio, audio), video: Math.min(most.video, Math.max(video, first.video)) }
}
