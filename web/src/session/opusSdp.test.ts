import { describe, expect, it } from 'vitest'
import { withOpusSettings } from './opusSdp'

const answer = [
  'v=0', 'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=mid:0', 'a=rtpmap:111 opus/48000/2', 'a=fmtp:111 minptime=10;useinbandfec=1',
  'm=video 9 UDP/TLS/RTP/SAVPF 102', 'a=mid:1', 'a=rtpmap:102 H264/90000', 'a=fmtp:102 packetization-mode=1',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=mid:2', 'a=rtpmap:111 opus/48000/2', '',
].join('\r\n')

describe('withOpusSettings', () => {
  it('asks speech for redundancy and silence, sound of a screen for stereo, and leaves pictures alone', () => {
    const [, speech, video, sound] = withOpusSettings(answer, { 0: 'microphone', 2: 'screen-audio' }).split(/(?=m=)/)
    expect(speech).toContain('a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1;maxaveragebitrate=28000\r\n')
    expect(video).toContain('a=fmtp:102 packetization-mode=1\r\n')
    expect(sound).toContain('a=rtpmap:111 opus/48000/2\r\na=fmtp:111 ')
    expect(sound).toContain('stereo=1')
    expect(sound).not.toContain('usedtx')
  })

  it('leaves a refused or foreign m-line as it is', () => {
    const foreign = 'v=0\r\nm=audio 0 UDP/TLS/RTP/SAVPF 8\r\na=rtpmap:8 PCMA/8000\r\n'
    expect(withOpusSettings(foreign, {})).toBe(foreign)
  })
})
