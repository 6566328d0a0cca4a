import { describe, expect, it } from 'vitest'
import { chooseQuality, isH265, wishedSize } from './quality'

const facts = { hasSub: true, mainCodec: 'h264', browserPlaysH265: false }

describe('chooseQuality', () => {
  it('gives tiles the sub stream and the single picture the main stream', () => {
    expect(chooseQuality('sub', facts)).toEqual({ quality: 'sub', note: null })
    expect(chooseQuality('main', facts)).toEqual({ quality: 'main', note: null })
  })

  it('says so when there is no sub stream', () => {
    expect(chooseQuality('sub', { ...facts, hasSub: false })).toEqual({ quality: 'main', note: 'no_sub_stream' })
  })

  it('shows the sub stream of an H.265 camera where the browser cannot play it', () => {
    const h265 = { ...facts, mainCodec: 'h265' }
    expect(chooseQuality('main', h265)).toEqual({ quality: 'sub', note: 'h265_uses_sub' })
    expect(chooseQuality('main', { ...h265, browserPlaysH265: true })).toEqual({ quality: 'main', note: null })
    expect(chooseQuality('sub', { ...h265, hasSub: false })).toEqual({ quality: null, note: 'h265_without_sub' })
  })

  it('tries while the codec is still unknown', () => {
    expect(chooseQuality('main', { ...facts, mainCodec: null })).toEqual({ quality: 'main', note: null })
  })
})

describe('isH265', () => {
  it('knows the names in use', () => {
    expect(['h265', 'H.265', 'HEVC', 'hvc1.1.6.L93'].every(isH265)).toBe(true)
    expect(isH265('h264')).toBe(false)
    expect(isH265(null)).toBe(false)
  })
})

describe('wishedSize', () => {
  const tile = { width: 900, height: 500 }
  const sub = { width: 640, height: 360 }

  it('keeps tiles of a grid on the sub stream and the enlarged picture off it', () => {
    expect(wishedSize('sub', tile, sub)).toEqual(sub)
    expect(wishedSize('sub', { width: 300, height: 170 }, sub)).toEqual({ width: 300, height: 170 })
    expect(wishedSize('sub', tile, null)).toEqual({ width: 320, height: 180 })
    expect(wishedSize('main', { width: 380, height: 220 }, sub)).toEqual({ width: 1280, height: 720 })
    expect(wishedSize('main', { width: 1900, height: 1000 }, sub)).toEqual({ width: 1900, height: 1000 })
  })
})
