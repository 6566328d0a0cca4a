import { describe, expect, it } from 'vitest'
import { backoffMs } from './backoff'

describe('backoffMs', () => {
  it('doubles up to the cap', () => {
    expect([0, 1, 2, 3, 4, 5, 50].map((n) => backoffMs(n, 1))).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  })

  it('spreads by up to a half', () => {
    expect(backoffMs(2, 0)).toBe(2000)
    expect(backoffMs(2, 0.5)).toBe(3000)
  })
})
