import { describe, expect, it } from 'vitest'
import { capturePlan, suggestedPlan, withWanted } from './encodings'

describe('capturePlan', () => {
  it('sends three layers of which the smallest fits a village line', () => {
    const { encodings } = capturePlan('saving')
    expect(encodings.map((each) => each.rid)).toEqual(['q', 'h', 'f'])
    expect(encodings.map((each) => each.scaleResolutionDownBy)).toEqual([4, 2, 1])
    expect(encodings.reduce((sum, each) => sum + (each.maxBitrate ?? 0), 0)).toBeLessThan(600_000)
  })
})

describe('withWanted', () => {
  it('runs only what somebody watches', () => {
    expect(withWanted(capturePlan('high').encodings, ['q', 'h']).map((each) => each.active)).toEqual([true, true, false])
    expect(withWanted(capturePlan('high').encodings, []).every((each) => !each.active)).toBe(true)
  })

  it('knows the only encoding by the empty name, or by none', () => {
    expect(withWanted([{ active: false }], [''])).toEqual([{ active: true }])
    expect(withWanted([{ active: true }], [])).toEqual([{ active: false }])
  })
})

describe('suggestedPlan', () => {
  it('spares a line that is slow or paid by the byte', () => {
    expect(suggestedPlan({ effectiveType: '3g' }, false)).toBe('saving')
    expect(suggestedPlan({ saveData: true }, false)).toBe('saving')
    expect(suggestedPlan({ effectiveType: '4g', downlink: 10 }, true)).toBe('standard')
    expect(suggestedPlan({ effectiveType: '4g', downlink: 1.2 }, false)).toBe('standard')
    expect(suggestedPlan(undefined, false)).toBe('high')
  })
})
