/** Opus for speech over weak lines: redundancy against loss, silence not sent, a modest rate; pure text work on an answer. */

const SPEECH: Record<string, string> = { minptime: '10', useinbandfec: '1', usedtx: '1', maxaveragebitrate: '28000' }
/** Sound of a shared screen is music as often as speech. */
const SOUND: Record<string, string> = { minptime: '10', useinbandfec: '1', stereo: '1', 'sprop-stereo': '1', maxaveragebitrate: '96000' }

/** `names`: which track an m-line carries, by mid. Settings in an answer tell this browser's encoder what to send. */
export function withOpusSettings(answerSdp: string, names: Readonly<Record<string, string>>): string {
  return answerSdp
    .split(/(?=^m=)/m)
    .map((section) => (section.startsWith('m=audio') ? tuned(section, names) : section))
    .join('')
}

function tuned(section: string, names: Readonly<Record<string, string>>): string {
  const payload = /^a=rtpmap:(\d+) opus\/48000/im.exec(section)?.[1]
  const mid = /^a=mid:(\S+)/m.exec(section)?.[1] ?? ''
  if (payload === undefined) return section
  const wanted = names[mid] === 'screen-audio' ? SOUND : SPEECH
  const line = new RegExp(`^a=fmtp:${payload} ([^\\r\\n]*)`, 'm')
  const known = line.exec(section)?.[1]
  const params = new Map((known ?? '').split(';').flatMap((pair) => (pair.includes('=') ? [pair.trim().split('=', 2) as [string, string]] : [])))
  for (const [name, value] of Object.entries(wanted)) params.set(name, value)
  const text = `a=fmtp:${payload} ${[...params].map(([name, value]) => `${name}=${value}`).join(';')}`
  if (known !== undefined) return section.replace(line, text)
  return section.replace(new RegExp(`^(a=rtpmap:${payload} [^\\r\\n]*)(\\r?\\n)`, 'm'), `$1$2${text}$2`)
}
