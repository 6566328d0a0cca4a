/**
 * What a tile says. A tile is never black without words: this maps camera state, viewing state and choice of stream to
 * a message key of `tile.*`, in the order a person needs to know; pure.
 */
import type { CameraStatus } from '@/api/types'
import type { QualityChoice } from './quality'
import type { PictureState } from './pictureState'

export type Tone = 'wait' | 'bad' | 'off' | 'warn'

export interface TileWords {
  tone: Tone
  key: string
  /** Machine word of the cause, translated under `reason.*`. */
  reason: string | null
  /** Epoch ms since when, for "已 01:05". */
  sinceMs: number | null
  /** Epoch ms of the next attempt. */
  retryAtMs: number | null
  detail: string | null
  traceId: string | null
}

const FROZEN_WORDS_AFTER_MS = 2_500

function words(tone: Tone, key: string, more: Partial<TileWords> = {}): TileWords {
  return { tone, key, reason: null, sinceMs: null, retryAtMs: null, detail: null, traceId: null, ...more }
}

function sinceOf(status: CameraStatus | null): number | null {
  const ms = status?.since ? Date.parse(status.since) : Number.NaN
  return Number.isFinite(ms) ? ms : null
}

function failedWords(state: Extract<PictureState, { kind: 'failed' }>): TileWords {
  const { error, retryAtMs } = state
  const known: Record<string, string> = {
    source_offline: 'offline',
    source_not_found: 'gone',
    source_gone: 'gone',
    not_permitted: 'denied',
    revoked: 'denied',
    replaced: 'replaced',
    codec_unsupported: 'codec',
    no_sub_stream: 'noSub',
    no_slot: 'tooMany',
    too_many_sessions: 'tooMany',
    too_many_subscriptions: 'tooMany',
    worker_unavailable: 'network',
    link_lost: 'network',
    no_media: 'noMedia',
    picture_frozen: 'frozen',
    network: 'network',
  }
  const byStatus: Record<number, string> = { 403: 'denied', 404: 'gone', 429: 'tooMany' }
  const key = known[error.code] ?? byStatus[error.status] ?? 'failed'
  return words('bad', key, { retryAtMs, detail: error.detail || error.title || null, traceId: error.traceId })
}

/** null = the picture is there and speaks for itself. */
export function tileWords(status: CameraStatus | null, choice: QualityChoice, state: PictureState): TileWords | null {
  if (status?.state === 'disabled') return words('off', 'disabled', { sinceMs: sinceOf(status) })
  if (state.kind === 'playing') {
    return state.frozenMs >= FROZEN_WORDS_AFTER_MS
      ? words('warn', 'frozen', { reason: status?.reason ?? null, sinceMs: Date.now() - state.frozenMs })
      : null
  }
  if (status?.state === 'offline') return words('bad', 'offline', { reason: status.reason ?? 'unknown', sinceMs: sinceOf(status) })
  if (choice.quality === null) return words('bad', 'h265', {})
  // The stream asked for is not there yet, or just gone: since when, and why, the camera's own state tells in a moment.
  const isAway = state.kind === 'failed' && state.error.code === 'source_offline'
  const isComing = isAway && (status?.state === 'online' || status?.state === 'connecting')
  if (isComing) return words('wait', 'source', { retryAtMs: state.retryAtMs, reason: status.reason ?? null })
  if (state.kind === 'failed') return failedWords(state)
  if (status?.state === 'connecting') return words('wait', 'source', { reason: status.reason ?? null, sinceMs: sinceOf(status) })
  return words('wait', 'connecting')
}
