/** How loud a microphone is: a meter over WebAudio, and what the figure means; and the chime of the sound test. */

/** 0..100 from samples in −1..1: −60 dB is nothing, −10 dB is full; pure. */
export function levelOfSamples(samples: ArrayLike<number>): number {
  let sum = 0
  for (let at = 0; at < samples.length; at += 1) sum += (samples[at] as number) ** 2
  const rms = Math.sqrt(sum / Math.max(1, samples.length))
  const db = rms === 0 ? -100 : 20 * Math.log10(rms)
  return Math.round(Math.min(100, Math.max(0, ((db + 60) / 50) * 100)))
}

export type Loudness = 'silent' | 'quiet' | 'hearing'

export function loudnessOf(peak: number): Loudness {
  if (peak < 12) return 'silent'
  return peak < 30 ? 'quiet' : 'hearing'
}

const EVERY_MS = 80

export class LevelMeter {
  private readonly context = new AudioContext()
  private readonly timer: ReturnType<typeof setInterval>

  constructor(track: MediaStreamTrack, onLevel: (level: number) => void) {
    const analyser = this.context.createAnalyser()
    analyser.fftSize = 1024
    this.context.createMediaStreamSource(new MediaStream([track])).connect(analyser)
    const samples = new Float32Array(analyser.fftSize)
    void this.context.resume().catch(() => undefined)
    this.timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples)
      onLevel(levelOfSamples(samples))
    }, EVERY_MS)
  }

  close(): void {
    clearInterval(this.timer)
    void this.context.close().catch(() => undefined)
  }
}

export interface Tone {
  hz: number
  atS: number
  forS: number
}

export const CHIME: readonly Tone[] = [{ hz: 784, atS: 0, forS: 0.45 }, { hz: 587, atS: 0.4, forS: 0.7 }]

/** Plays tones; resolves when they have sounded. The press that starts it also unlocks sound on this page. */
export async function playTones(tones: readonly Tone[], loudness = 0.35): Promise<void> {
  const context = new AudioContext()
  await context.resume().catch(() => undefined)
  let endS = 0
  for (const { hz, atS, forS } of tones) {
    const oscillator = context.createOscillator()
    const gain = context.createGain()
    oscillator.frequency.value = hz
    gain.gain.setValueAtTime(0, context.currentTime + atS)
    gain.gain.linearRampToValueAtTime(loudness, context.currentTime + atS + 0.02)
    gain.gain.exponentialRampToValueAtTime(0.001, context.currentTime + atS + forS)
    oscillator.connect(gain).connect(context.destination)
    oscillator.start(context.currentTime + atS)
    oscillator.stop(context.currentTime + atS + forS)
    endS = Math.max(endS, atS + forS)
  }
  await new Promise((done) => setTimeout(done, endS * 1000 + 50))
  await context.close().catch(() => undefined)
}
