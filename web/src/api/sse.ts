/** Server-sent events as text, parsed incrementally (WHATWG "event stream interpretation"); pure, no I/O. */

export interface ServerEvent {
  name: string
  data: string
}

export class EventStreamParser {
  private rest = ''
  private name = ''
  private data: string[] = []

  push(chunk: string): ServerEvent[] {
    const events: ServerEvent[] = []
    const lines = (this.rest + chunk).split(/\r\n|\n|\r(?!$)/)
    this.rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') this.dispatch(events)
      else this.field(line)
    }
    return events
  }

  private dispatch(events: ServerEvent[]): void {
    if (this.data.length > 0) events.push({ name: this.name || 'message', data: this.data.join('\n') })
    this.name = ''
    this.data = []
  }

  private field(line: string): void {
    const colon = line.indexOf(':')
    if (colon === 0) return
    const key = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (key === 'event') this.name = value
    else if (key === 'data') this.data.push(value)
  }
}
