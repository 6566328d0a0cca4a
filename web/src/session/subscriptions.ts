/**
 * What the page wants to see and hear, and what the hub has been told of it; pure. The page changes wishes as often as
 * it likes; `next()` gives what is left to say, one message per source and track, and answers are reported back.
 */
import type { MediaKind, TrackName } from './protocol'

export interface Wish {
  source: string
  track: TrackName
  kind: MediaKind
  widthPx: number
  heightPx: number
  isPaused: boolean
}

export type Telling =
  | { type: 'subscribe'; key: string; source: string; track: TrackName; width: number; height: number }
  | { type: 'unsubscribe'; key: string; source: string; track: TrackName }
  | { type: 'quality'; key: string; source: string; track: TrackName; width: number; height: number; paused: boolean }

interface Entry {
  wish: Wish | null
  /** What the hub believes; null = not subscribed. */
  told: { widthPx: number; heightPx: number; isPaused: boolean } | null
  isAsking: boolean
  mid: string | null
  refusal: string | null
}

/** Sizes are told in steps, so that a window being dragged is not a stream of messages. */
const STEP_PX = 32

export function stepped(px: number): number {
  return Math.max(STEP_PX, Math.ceil(px / STEP_PX) * STEP_PX)
}

export function keyOf(source: string, track: string): string {
  return `${source} ${track}`
}

export class Subscriptions {
  private readonly entries = new Map<string, Entry>()

  want(wish: Wish): void {
    const key = keyOf(wish.source, wish.track)
    const entry = this.entries.get(key)
    if (entry) entry.wish = wish
    else this.entries.set(key, { wish, told: null, isAsking: false, mid: null, refusal: null })
  }

  drop(source: string, track: string): void {
    const key = keyOf(source, track)
    const entry = this.entries.get(key)
    if (!entry) return
    entry.wish = null
    if (entry.told === null && !entry.isAsking) this.entries.delete(key)
  }

  /** A refused wish is not said again by itself; `retry` allows it. */
  retry(source: string, track: string): void {
    const entry = this.entries.get(keyOf(source, track))
    if (entry) entry.refusal = null
  }

  /** Everything whose refusal time may have cured. */
  retryAll(curable: ReadonlySet<string>): void {
    for (const entry of this.entries.values()) if (entry.refusal !== null && curable.has(entry.refusal)) entry.refusal = null
  }

  /** Something is subscribed at the hub. */
  get hasTold(): boolean {
    return [...this.entries.values()].some((entry) => entry.told !== null)
  }

  wished(kind: MediaKind): number {
    return [...this.entries.values()].filter((entry) => entry.wish?.kind === kind).length
  }

  midOf(source: string, track: string): string | null {
    return this.entries.get(keyOf(source, track))?.mid ?? null
  }

  refusalOf(source: string, track: string): string | null {
    return this.entries.get(keyOf(source, track))?.refusal ?? null
  }

  next(): Telling[] {
    const list: Telling[] = []
    for (const [key, entry] of this.entries) {
      const telling = entry.isAsking ? null : tellingOf(key, entry)
      if (telling) list.push(telling)
    }
    // Slots are given back before new ones are asked for.
    return list.sort((a, b) => order(a) - order(b))
  }

  sent(telling: Telling): void {
    const entry = this.entries.get(telling.key)
    if (!entry) return
    entry.isAsking = true
  }

  answered(telling: Telling, mid: string | null): void {
    const entry = this.entries.get(telling.key)
    if (!entry) return
    entry.isAsking = false
    if (telling.type === 'unsubscribe') {
      entry.told = entry.mid = null
      if (entry.wish === null) this.entries.delete(telling.key)
      return
    }
    const isPaused = telling.type === 'quality' && telling.paused
    entry.told = { widthPx: telling.width, heightPx: telling.height, isPaused }
    if (telling.type === 'subscribe') entry.mid = mid
  }

  refused(telling: Telling, code: string): void {
    const entry = this.entries.get(telling.key)
    if (!entry) return
    entry.isAsking = false
    if (telling.type === 'subscribe') entry.refusal = code
    else entry.told = entry.mid = null
    if (entry.wish === null && entry.told === null) this.entries.delete(telling.key)
  }

  /** The line broke before the answer: it is asked again after the next welcome. */
  unanswered(telling: Telling): void {
    const entry = this.entries.get(telling.key)
    if (entry) entry.isAsking = false
  }

  /** The hub ended a subscription by itself. */
  ended(source: string, track: string, code: string): void {
    const entry = this.entries.get(keyOf(source, track))
    if (!entry) return
    entry.told = entry.mid = null
    entry.refusal = code
    if (entry.wish === null) this.entries.delete(keyOf(source, track))
  }

  /** The hub says by itself what a slot shows now; who lost it is asked for anew. */
  slotChanged(mid: string, source: string | null, track: string | null): void {
    for (const [key, entry] of this.entries) {
      const isIt = source !== null && track !== null && key === keyOf(source, track)
      if (isIt) entry.mid = mid
      else if (entry.mid === mid) entry.mid = null
    }
  }

  /** The hub knows nothing of this page any more. */
  forgetTold(): void {
    for (const [key, entry] of this.entries) {
      entry.told = entry.mid = entry.refusal = null
      entry.isAsking = false
      if (entry.wish === null) this.entries.delete(key)
    }
  }

  /** The source ended at the hub (its subscriptions with it): asked for again when it is wished and back. */
  sourceGone(source: string): void {
    for (const [key, entry] of this.entries)
      if (key.startsWith(`${source} `)) {
        entry.told = entry.mid = null
        if (entry.wish === null) this.entries.delete(key)
      }
  }
}

function order(telling: Telling): number {
  return { unsubscribe: 0, subscribe: 1, quality: 2 }[telling.type]
}

function tellingOf(key: string, entry: Entry): Telling | null {
  const { wish, told } = entry
  const split = key.lastIndexOf(' ')
  const who = { key, source: key.slice(0, split), track: key.slice(split + 1) as TrackName }
  if (wish === null) return told === null ? null : { type: 'unsubscribe', ...who }
  const size = { width: stepped(wish.widthPx), height: stepped(wish.heightPx) }
  if (told === null) return entry.refusal === null ? { type: 'subscribe', ...who, ...size } : null
  const isSame = told.widthPx === size.width && told.heightPx === size.height && told.isPaused === wish.isPaused
  return isSame || wish.kind === 'audio' ? null : { type: 'quality', ...who, ...size, paused: wish.isPaused }
}
