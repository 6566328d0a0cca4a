import { describe, expect, it } from 'vitest'
import { bufferAheadS, frameStepS, isKeysOnly, nextSpeed, PaceWatch, SPEEDS, Stepper } from './speed'

describe('speeds', () => {
  it('plays every picture up to 2× and key pictures from 4×', () => {
    expect(SPEEDS.map(isKeysOnly)).toEqual([false, false, false, true, true, true])
  })

  it('holds ten seconds of play ready at every speed', () => {
    for (const speed of SPEEDS) expect(bufferAheadS(speed) / speed).toBeGreaterThanOrEqual(10)
  })

  it('stops at both ends', () => {
    expect(nextSpeed(16, 1)).toBe(16)
    expect(nextSpeed(0.5, -1)).toBe(0.5)
    expect(nextSpeed(2, 1)).toBe(4)
  })

  it('believes a measured picture length only when it is possible', () => {
    expect(frameStepS(0.04, 10)).toBe(0.04)
    expect(frameStepS(7, 10)).toBe(0.1)
    expect(frameStepS(null, null)).toBe(0.04)
  })
})

describe('stepping', () => {
  it('keeps its speed by the clock and goes on from wherever a gap ends', () => {
    const stepper = new Stepper(1_000_000, 500, 8)
    expect(stepper.targetMs(500)).toBe(1_000_000)
    expect(stepper.targetMs(750)).toBe(1_002_000)
    stepper.moveTo(1_060_000, 800)
    expect(stepper.targetMs(900)).toBe(1_060_800)
  })
})

describe('pace', () => {
  const played = (watch: PaceWatch, rate: number, aheadS: number, seconds = 5) => {
    const verdicts = Array.from({ length: seconds * 2 }, (_, n) =>
      watch.isTooSlow({ nowMs: n * 500, mediaS: (n * rate) / 2, aheadS }),
    )
    return verdicts.includes(true)
  }

  it('is content with nearly the speed asked for, and not with half of it', () => {
    expect(played(new PaceWatch(8), 7.2, 60)).toBe(false)
    expect(played(new PaceWatch(8), 4, 60)).toBe(true)
  })

  it('needs three seconds to judge and does not blame the browser for the network', () => {
    expect(played(new PaceWatch(16), 1, 60, 3)).toBe(false)
    expect(played(new PaceWatch(16), 1, 2)).toBe(false)
  })

  it('begins anew after a jump back', () => {
    const watch = new PaceWatch(4)
    for (let n = 0; n < 6; n += 1) watch.isTooSlow({ nowMs: n * 500, mediaS: 100 + n * 2, aheadS: 60 })
    expect(watch.isTooSlow({ nowMs: 3000, mediaS: 20, aheadS: 60 })).toBe(false)
    expect(watch.isTooSlow({ nowMs: 3500, mediaS: 20.1, aheadS: 60 })).toBe(false)
  })
})
