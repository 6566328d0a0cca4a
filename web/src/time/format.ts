/**
 * Wall-clock words. The county lives on China Standard Time whatever the computer is set to, and China has no
 * summer time, so the arithmetic is a fixed offset; everything here is pure.
 */
export const CHINA_OFFSET_MS = 8 * 3600_000
export const DAY_MS = 24 * 3600_000

function pad(value: number, width = 2): string {
  return String(value).padStart(width, '0')
}

function parts(wallMs: number): Date {
  return new Date(wallMs + CHINA_OFFSET_MS)
}

/** `2026-11-22` */
export function dayOf(wallMs: number): string {
  const d = parts(wallMs)
  return `${d.getUTCFullYear()}-${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())}`
}

/** `2026-11` */
export function monthOf(wallMs: number): string {
  return dayOf(wallMs).slice(0, 7)
}

/** Midnight (China) that begins the day, as epoch ms. */
export function dayStartMs(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) - CHINA_OFFSET_MS
}

/** `18:23:10`, with milliseconds when asked. */
export function timeOf(wallMs: number, withMs = false): string {
  const d = parts(wallMs)
  const base = `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}:${pad(d.getUTCSeconds())}`
  return withMs ? `${base}.${pad(d.getUTCMilliseconds(), 3)}` : base
}

/** `2026-11-22 18:23:10` */
export function dateTimeOf(wallMs: number): string {
  return `${dayOf(wallMs)} ${timeOf(wallMs)}`
}

export function isoOf(wallMs: number): string {
  return new Date(wallMs).toISOString()
}

/** How long something has lasted: `01:05` under an hour, `2:03:04` under a day, `3d 04:00` above. */
export function lasted(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000))
  const [days, hours, minutes, seconds] = [
    Math.floor(total / 86_400),
    Math.floor(total / 3600) % 24,
    Math.floor(total / 60) % 60,
    total % 60,
  ]
  if (days > 0) return `${days}d ${pad(hours)}:${pad(minutes)}`
  if (hours > 0) return `${hours}:${pad(minutes)}:${pad(seconds)}`
  return `${pad(minutes)}:${pad(seconds)}`
}

export function bytesOf(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[unit] ?? 'B'}`
}

const CODEC_NAMES: Record<string, string> = {
  h264: 'H.264', h265: 'H.265', aac: 'AAC', pcma: 'G.711A', pcmu: 'G.711U', opus: 'Opus',
}

/** A codec as it is written on the box. */
export function codecName(codec: string): string {
  return CODEC_NAMES[codec.toLowerCase()] ?? codec.toUpperCase()
}

export function bitrateOf(bps: number): string {
  if (bps >= 1_000_000) return `${(bps / 1_000_000).toFixed(1)} Mbps`
  return `${Math.round(bps / 1000)} kbps`
}

/** Days of the month grid, Monday first: leading `null`s, then `YYYY-MM-DD`. */
export function monthGrid(month: string): (string | null)[] {
  const [year, index] = month.split('-').map(Number) as [number, number]
  const first = new Date(Date.UTC(year, index - 1, 1))
  const lead = (first.getUTCDay() + 6) % 7
  const count = new Date(Date.UTC(year, index, 0)).getUTCDate()
  const cells: (string | null)[] = Array.from({ length: lead }, () => null)
  for (let day = 1; day <= count; day += 1) cells.push(`${month}-${pad(day)}`)
  return cells
}

export function shiftMonth(month: string, by: number): string {
  const [year, index] = month.split('-').map(Number) as [number, number]
  return new Date(Date.UTC(year, index - 1 + by, 1)).toISOString().slice(0, 7)
}
