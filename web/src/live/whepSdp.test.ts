import { describe, expect, it } from 'vitest'
import { audioPathOf, iceServersOf } from './whepSdp'

describe('iceServersOf', () => {
  it('reads TURN with credentials and skips other links', () => {
    const header =
      '<stun:stun.county:3478>; rel="ice-server", </help>; rel="help", ' +
      '<turn:turn.county:3478?transport=udp>; rel="ice-server"; username="17:u"; credential="s=="; credential-type="password"'
    expect(iceServersOf(header)).toEqual([
      { urls: 'stun:stun.county:3478' },
      { urls: 'turn:turn.county:3478?transport=udp', username: '17:u', credential: 's==' },
    ])
  })

  it('is empty without the header', () => {
    expect(iceServersOf(null)).toEqual([])
  })
})

describe('audioPathOf', () => {
  it('treats an unknown word as no sound', () => {
    expect(audioPathOf('aac-later')).toBe('aac-later')
    expect(audioPathOf('quadrophonic')).toBe('none')
  })
})
