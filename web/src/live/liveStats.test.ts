import { describe, expect, it } from 'vitest'
import { figuresOf, readingOf, type Reading } from './liveStats'

const base: Reading = {
  atMs: 1000,
  bytes: 0,
  framesDecoded: 0,
  packetsReceived: 0,
  packetsLost: 0,
  jitterBufferDelayS: 0,
  jitterBufferEmitted: 0,
  playoutNtpMs: null,
  rttMs: null,
  width: 640,
  height: 360,
}

describe('readingOf', () => {
  it('takes the video track and the nominated pair', () => {
    const reading = readingOf([
      { type: 'inbound-rtp', kind: 'audio', timestamp: 9, bytesReceived: 1 },
      { type: 'inbound-rtp', kind: 'video', timestamp: 7, bytesReceived: 500, framesDecoded: 3, frameWidth: 640 },
      { type: 'candidate-pair', timestamp: 9, nominated: true, currentRoundTripTime: 0.02 },
    ])
    expect(reading).toMatchObject({ atMs: 7, bytes: 500, framesDecoded: 3, rttMs: 20, width: 640, playoutNtpMs: null })
  })

  it('is null before there is video', () => {
    expect(readingOf([{ type: 'transport', timestamp: 1 }])).toBeNull()
  })
})

describe('figuresOf', () => {
  it('gives rates per second and loss of this interval only', () => {
    const now = { ...base, atMs: 3000, bytes: 250_000, framesDecoded: 50, packetsReceived: 190, packetsLost: 10 }
    expect(figuresOf(base, now, 0, 0)).toMatchObject({ fps: 25, bitrateBps: 1_000_000, lossPercent: 5, moving: true })
  })

  it('reads the delay off the sender clock when the browser tells it', () => {
    const now = { ...base, atMs: 2000, playoutNtpMs: 2_208_988_800_000 + 1_000_000 }
    expect(figuresOf(base, now, 1_000_420, 20).delayMs).toBe(400)
  })

  it('never claims less than the buffer holds, however the clocks disagree', () => {
    const buffered = { rttMs: 20, jitterBufferDelayS: 2, jitterBufferEmitted: 25 }
    const now = { ...base, ...buffered, atMs: 2000, playoutNtpMs: 2_208_988_800_000 + 1_000_000 }
    expect(figuresOf(base, now, 1_000_030, 200).delayMs).toBe(90)
  })

  it('falls back to buffer and round trip when the sender clock is absurd', () => {
    const now = { ...base, atMs: 2000, playoutNtpMs: 5, rttMs: 40, jitterBufferDelayS: 2.5, jitterBufferEmitted: 25 }
    expect(figuresOf(base, now, 1_000_000, 0).delayMs).toBeCloseTo(120)
  })

  it('notices a frozen picture', () => {
    expect(figuresOf(base, { ...base, atMs: 3000 }, 0, 0).moving).toBe(false)
  })
})
