import { describe, expect, it } from 'vitest'
import { ServerClock } from './serverClock'

describe('ServerClock', () => {
  it('follows the local clock until it has heard the server', () => {
    expect(new ServerClock().now(5000)).toBe(5000)
  })

  it('narrows the offset with every answer', () => {
    const clock = new ServerClock()
    const trueOffset = 4_321
    for (let local = 100_000; local < 110_000; local += 370) {
      const server = local + 10 + trueOffset
      clock.observe(Math.floor(server / 1000) * 1000, local, local + 20)
    }
    expect(Math.abs(clock.offsetMs - trueOffset)).toBeLessThan(60)
  })

  it('starts again when a clock was set', () => {
    const clock = new ServerClock()
    clock.observe(10_000, 10_000, 10_010)
    clock.observe(3_600_000, 20_000, 20_010)
    expect(Math.abs(clock.offsetMs - 3_580_500)).toBeLessThan(1000)
  })

  it('ignores a header that is no date', () => {
    const clock = new ServerClock()
    clock.observe(Number.NaN, 0, 10)
    expect(clock.offsetMs).toBe(0)
  })
})
