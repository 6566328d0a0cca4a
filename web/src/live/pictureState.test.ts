import { describe, expect, it } from 'vitest'
import type { Reading } from './liveStats'
import { audioPathOf, PictureWatch } from './pictureState'

const reading = (framesDecoded: number): Reading => ({
  atMs: 0, bytes: 0, framesDecoded, packetsReceived: 0, packetsLost: 0, jitterBufferDelayS: 0, jitterBufferEmitted: 0, playoutNtpMs: null,
  rttMs: null, width: 640, height: 360,
})

describe('PictureWatch', () => {
  it('waits for a first picture, not for ever', () => {
    const watch = new PictureWatch()
    watch.begin(0)
    expect(watch.see(null, 1000)).toBe('waiting')
    expect(watch.see(reading(0), 11_000)).toBe('waiting')
    expect(watch.see(reading(0), 13_000)).toBe('no_media')
  })

  it('notices a picture that stands still and one that moves again', () => {
    const watch = new PictureWatch()
    watch.begin(0)
    expect(watch.see(reading(5), 1000)).toBe('playing')
    expect(watch.see(reading(5), 4000)).toBe('playing')
    expect(watch.frozenMs(4000)).toBe(3000)
    expect(watch.see(reading(5), 7000)).toBe('picture_frozen')
    expect(watch.see(reading(6), 8000)).toBe('playing')
  })

  it('takes nothing amiss while nobody looks', () => {
    const watch = new PictureWatch()
    watch.begin(0)
    watch.see(reading(5), 1000)
    watch.pause(true, 2000)
    expect(watch.see(reading(5), 90_000)).toBe('playing')
    expect(watch.frozenMs(90_000)).toBe(0)
    watch.pause(false, 90_000)
    expect(watch.see(reading(5), 91_000)).toBe('playing')
    expect(watch.see(reading(5), 96_000)).toBe('picture_frozen')
  })

  it('is not fooled by a slot whose counter begins anew', () => {
    const watch = new PictureWatch()
    watch.see(reading(500), 0)
    watch.begin(1000)
    expect(watch.see(reading(0), 2000)).toBe('waiting')
    expect(watch.see(reading(1), 3000)).toBe('playing')
  })
})

describe('audioPathOf', () => {
  it('knows what a browser plays', () => {
    expect(['opus', 'pcma', 'PCMU'].map(audioPathOf)).toEqual(['passthrough', 'passthrough', 'passthrough'])
    expect(audioPathOf('aac')).toBe('aac-later')
    expect(audioPathOf(null)).toBe('none')
  })
})
