/** Which stream a tile opens, and why not the wished one; pure. */
import type { StreamQuality } from '@/api/types'

export interface StreamFacts {
  hasSub: boolean
  /** Codec of the main stream as the hub reports it, null while unknown. */
  mainCodec: string | null
  browserPlaysH265: boolean
}

export type QualityNote = 'no_sub_stream' | 'h265_uses_sub'
export type QualityChoice =
  | { quality: StreamQuality; note: QualityNote | null }
  | { quality: null; note: 'h265_without_sub' }

export function isH265(codec: string | null): boolean {
  return codec !== null && /^(h\.?265|hevc|hvc1|hev1)/i.test(codec)
}

export function chooseQuality(wanted: StreamQuality, facts: StreamFacts): QualityChoice {
  const mainBlocked = isH265(facts.mainCodec) && !facts.browserPlaysH265
  if (wanted === 'sub' && facts.hasSub) return { quality: 'sub', note: null }
  if (mainBlocked) return facts.hasSub ? { quality: 'sub', note: 'h265_uses_sub' } : { quality: null, note: 'h265_without_sub' }
  return { quality: 'main', note: wanted === 'sub' ? 'no_sub_stream' : null }
}

/** Whether this browser can receive H.265 over WebRTC at all. */
export function browserPlaysH265(): boolean {
  const codecs = typeof RTCRtpReceiver === 'undefined' ? [] : (RTCRtpReceiver.getCapabilities('video')?.codecs ?? [])
  return codecs.some((codec) => /h265/i.test(codec.mimeType))
}
