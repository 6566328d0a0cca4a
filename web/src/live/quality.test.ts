import { describe, expect, it } from 'vitest'
import { chooseQuality, isH265 } from './quality'

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
