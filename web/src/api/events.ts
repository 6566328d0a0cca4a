/** The hub's event stream, over `fetch` because `EventSource` cannot carry an Authorization header. */
import { backoffMs } from './backoff'
import { fetchRaw } from './http'
import { EventStreamParser, type ServerEvent } from './sse'

/** The hub pings every 15 s or so; a silent stream is a dead one. */
const SILENCE_LIMIT_MS = 45_000

export class EventFeed {
  private stopped = false
  private abort: AbortController | null = null
  private attempt = 0

  constructor(
    private readonly onEvent: (event: ServerEvent) => void,
    private readonly onLink: (up: boolean) => void,
  ) {}

  start(): void {
    this.stopped = false
    void this.run()
  }

  stop(): void {
    this.stopped = true
    this.abort?.abort()
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.readOnce()
      } catch {
        // Every cause has the same cure: wait, then connect again. A lost session is noticed by fetchRaw itself.
      }
      this.onLink(false)
      if (this.stopped) return
      await new Promise((done) => setTimeout(done, backoffMs(this.attempt, Math.random())))
      this.attempt += 1
    }
  }

  private async readOnce(): Promise<void> {
    const abort = (this.abort = new AbortController())
    const response = await fetchRaw('/events', {
      headers: { Accept: 'text/event-stream' },
      signal: abort.signal,
      timeoutMs: 2 ** 31 - 1,
    })
    if (!response.body) return
    this.attempt = 0
    this.onLink(true)
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    const parser = new EventStreamParser()
    let silence = setTimeout(() => abort.abort(), SILENCE_LIMIT_MS)
    try {
      for (;;) {
        const { value, done } = await reader.read()
        if (done) return
        clearTimeout(silence)
        silence = setTimeout(() => abort.abort(), SILENCE_LIMIT_MS)
        for (const event of parser.push(value)) this.onEvent(event)
      }
    } finally {
      clearTimeout(silence)
    }
  }
}
