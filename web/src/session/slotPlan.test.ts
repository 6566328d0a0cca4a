import { describe, expect, it } from 'vitest'
import { slotsFor } from './slotPlan'

const first = { audio: 3, video: 6 }
const limits = { video_slots: 16, audio_slots: 4, tracks: 4, messages_per_s: 30 }

describe('slotsFor', () => {
  it('begins with a few and grows in steps', () => {
    const none = { audio: 0, video: 0 }
    expect(slotsFor(none, none, first, limits)).toEqual(first)
    expect(slotsFor({ audio: 0, video: 7 }, first, first, limits)).toEqual({ audio: 3, video: 8 })
    expect(slotsFor({ audio: 1, video: 9 }, { audio: 3, video: 8 }, first, limits)).toEqual({ audio: 4, video: 12 })
  })

  it('never shrinks, and never goes over what the hub allows', () => {
    expect(slotsFor({ audio: 0, video: 1 }, { audio: 3, video: 12 }, first, limits)).toEqual({ audio: 3, video: 12 })
    expect(slotsFor({ audio: 9, video: 90 }, first, first, limits)).toEqual({ audio: 4, video: 16 })
  })
})
