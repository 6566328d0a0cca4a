import { describe, expect, it } from 'vitest'
import { frameStepS, nextSpeed, SPEEDS, stepPlan } from './speed'

describe('speeds', () => {
  it('plays up to 2× and steps from 4×', () => {
    expect(SPEEDS.map((speed) => stepPlan(speed) === null)).toEqual([true, true, true, false, false, false])
  })

  it('keeps the promised speed and never steps by less than a key picture', () => {
    for (const speed of [4, 8, 16] as const) {
      const plan = stepPlan(speed)
      expect((plan?.stepMs ?? 0) / (plan?.intervalMs ?? 1)).toBeCloseTo(speed)
      expect(plan?.stepMs).toBeGreaterThanOrEqual(2000)
    }
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
