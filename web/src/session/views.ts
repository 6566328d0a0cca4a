/**
 * Views: what components ask for. Several views of one track share one subscription at the largest of their sizes,
 * paused only when all of them are; each is told which browser track to show, and why there is none.
 */
import type { MediaKind, TrackName } from './protocol'
import type { StatsReport } from './subscriber'
import { keyOf, type Subscriptions } from './subscriptions'

export type ViewState = { kind: 'asking' } | { kind: 'on'; rid: string | null; /** The hub sends nothing at the moment, on purpose. */ isStopped: boolean } | { kind: 'refused'; code: string }

export interface ViewListener {
  onTrack(track: MediaStreamTrack | null): void
  onState?(state: ViewState): void
  onStats?(reports: StatsReport[]): void
}

interface Held {
  source: string
  track: TrackName
  kind: MediaKind
  widthPx: number
  heightPx: number
  isPaused: boolean
  listener: ViewListener
  shown: MediaStreamTrack | null
  said: string
  state: ViewState
}

export class View {
  constructor(
    private readonly views: Views,
    private readonly held: Held,
  ) {}

  resize(widthPx: number, heightPx: number, isPaused: boolean): void {
    const { held } = this
    if (held.widthPx === widthPx && held.heightPx === heightPx && held.isPaused === isPaused) return
    Object.assign(held, { widthPx, heightPx, isPaused })
    this.views.wishChanged(held)
  }

  /** Takes the subscription down and up again, for a picture that stands still. */
  again(): void {
    this.views.again(this.held)
  }

  close(): void {
    this.views.close(this.held)
  }
}

export class Views {
  private readonly byKey = new Map<string, Set<Held>>()
  private readonly layers = new Map<string, { rid: string | null; width: number; height: number }>()

  constructor(
    private readonly subscriptions: Subscriptions,
    private readonly sync: () => unknown,
  ) {}

  open(source: string, track: TrackName, kind: MediaKind, listener: ViewListener, size = { width: 0, height: 0 }): View {
    const held: Held = {
      source, track, kind, widthPx: size.width, heightPx: size.height, isPaused: false, listener, shown: null, said: '', state: { kind: 'asking' },
    }
    const key = keyOf(source, track)
    const set = this.byKey.get(key) ?? new Set()
    this.byKey.set(key, set.add(held))
    this.wishChanged(held)
    return new View(this, held)
  }

  close(held: Held): void {
    const key = keyOf(held.source, held.track)
    const set = this.byKey.get(key)
    if (!set?.delete(held)) return
    if (set.size > 0) return this.wishChanged(held)
    this.byKey.delete(key)
    this.subscriptions.drop(held.source, held.track)
    this.sync()
  }

  again(held: Held): void {
    this.subscriptions.drop(held.source, held.track)
    this.sync()
    // Said before the wish comes back, so that the hub makes a new beginning.
    setTimeout(() => {
      if (this.byKey.has(keyOf(held.source, held.track))) this.wishChanged(held)
    }, 300)
  }

  wishChanged(held: Held): void {
    const set = this.byKey.get(keyOf(held.source, held.track))
    if (!set || set.size === 0) return
    const active = [...set].filter((each) => !each.isPaused)
    const sizes = active.length > 0 ? active : [...set]
    this.subscriptions.want({
      source: held.source,
      track: held.track,
      kind: held.kind,
      widthPx: Math.max(...sizes.map((each) => each.widthPx)),
      heightPx: Math.max(...sizes.map((each) => each.heightPx)),
      isPaused: active.length === 0,
    })
    this.sync()
  }

  /** Answers and slot events: which browser track each view shows now. */
  changed(trackOf: (mid: string) => MediaStreamTrack | null): void {
    for (const key of this.byKey.keys()) this.answered(key, trackOf)
  }

  answered(key: string, trackOf: (mid: string) => MediaStreamTrack | null): void {
    const set = this.byKey.get(key)
    const first = set?.values().next().value
    if (!set || !first) return
    const mid = this.subscriptions.midOf(first.source, first.track)
    const refusal = this.subscriptions.refusalOf(first.source, first.track)
    const track = mid === null ? null : trackOf(mid)
    const layer = mid === null ? undefined : this.layers.get(mid)
    const state: ViewState = refusal !== null ? { kind: 'refused', code: refusal } : track ? onWith(layer) : { kind: 'asking' }
    for (const held of set) tell(held, track, state)
  }

  layer(mid: string, rid: string | null, width: number, height: number): void {
    this.layers.set(mid, { rid, width, height })
    for (const set of this.byKey.values())
      for (const held of set)
        if (this.subscriptions.midOf(held.source, held.track) === mid && held.shown) tell(held, held.shown, onWith({ rid }))
  }

  /** The source itself went or came, whatever was subscribed. */
  source(source: string, state: 'live' | 'offline' | 'gone', reason: string | null): void {
    for (const set of this.byKey.values())
      for (const held of set) {
        if (held.source !== source) continue
        if (state === 'gone') tell(held, null, { kind: 'refused', code: 'source_not_found' })
        else if (state === 'offline') tell(held, held.shown, { kind: 'refused', code: reason ?? 'source_offline' })
        else if (held.state.kind === 'refused') tell(held, held.shown, held.shown ? onWith(undefined) : { kind: 'asking' })
      }
  }

  measured(reports: ReadonlyMap<string, StatsReport[]>): void {
    for (const set of this.byKey.values())
      for (const held of set) {
        const mid = this.subscriptions.midOf(held.source, held.track)
        const own = mid === null ? undefined : reports.get(mid)
        if (own) held.listener.onStats?.(own)
      }
  }
}

function onWith(layer: { rid: string | null } | undefined): ViewState {
  return { kind: 'on', rid: layer?.rid ?? null, isStopped: layer?.rid === null }
}

function tell(held: Held, track: MediaStreamTrack | null, state: ViewState): void {
  if (held.shown !== track) {
    held.shown = track
    held.listener.onTrack(track)
  }
  const said = JSON.stringify(state)
  if (held.said === said) return
  held.said = said
  held.state = state
  held.listener.onState?.(state)
}
