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

export interface Size {
  width: number
  height: number
}

const SMALL: Size = { width: 320, height: 180 }
const LARGE: Size = { width: 1280, height: 720 }

/**
 * The size told to the hub, which chooses the layer by it: a tile of a grid never asks for more than the sub stream
 * has, an enlarged picture always for more, whatever the screen. `sub` is the size of the sub stream once it is known.
 */
export function wishedSize(quality: StreamQuality, tile: Size, sub: Size | null): Size {
  if (quality === 'sub') {
    const most = sub && sub.width > 0 ? sub : SMALL
    return { width: Math.min(tile.width, most.width), height: Math.min(tile.height, most.height) }
  }
  const least = sub && sub.width > 0 ? { width: sub.width * 2, height: sub.height * 2 } : LARGE
  return { width: Math.max(tile.width, least.width), height: Math.max(tile.height, least.height) }
}

/** Whether this browser can receive H.265 over WebRTC at all. */
export function browserPlaysH265(): boolean {
  const codecs = typeof RTCRtpReceiver === 'undefined' ? [] : (RTCRtpReceiver.getCapabilities('video')?.codecs ?? [])
  return codecs.some((codec) => /h265/i.test(codec.mimeType))
}
