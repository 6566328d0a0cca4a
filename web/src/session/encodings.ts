/** What is sent, in which sizes and at which rates; pure. A village on a weak line is the ordinary case. */

export type UplinkPlan = 'saving' | 'standard' | 'high'

export interface CapturePlan {
  width: number
  height: number
  frameRate: number
  /** From small to large; the names are those of the layers at the hub. */
  encodings: RTCRtpEncodingParameters[]
}

const SIZES: Record<UplinkPlan, { width: number; height: number; frameRate: number; kbps: [number, number, number] }> = {
  saving: { width: 640, height: 360, frameRate: 15, kbps: [60, 130, 350] },
  standard: { width: 960, height: 540, frameRate: 20, kbps: [90, 250, 800] },
  high: { width: 1280, height: 720, frameRate: 25, kbps: [120, 400, 1500] },
}

export function capturePlan(plan: UplinkPlan): CapturePlan {
  const { width, height, frameRate, kbps } = SIZES[plan]
  const layer = (rid: string, by: number, rate: number): RTCRtpEncodingParameters => ({
    rid,
    active: true,
    scaleResolutionDownBy: by,
    maxBitrate: rate * 1000,
    maxFramerate: frameRate,
  })
  return { width, height, frameRate, encodings: [layer('q', 4, kbps[0]), layer('h', 2, kbps[1]), layer('f', 1, kbps[2])] }
}

/** A shared screen: words must stay readable, so it gives up pictures per second, not sharpness. */
export const SCREEN_ENCODINGS: readonly RTCRtpEncodingParameters[] = [{ active: true, maxBitrate: 1_800_000, maxFramerate: 10 }]
export const SCREEN_CONSTRAINTS = { video: { frameRate: { ideal: 10, max: 15 }, width: { max: 1920 }, height: { max: 1080 } }, audio: true } as const

/** Which of a sender's encodings run; an encoding without a name is the only one and is called "". */
export function withWanted(encodings: readonly RTCRtpEncodingParameters[], rids: readonly string[]): RTCRtpEncodingParameters[] {
  const wanted = new Set(rids)
  const isSingle = encodings.length === 1
  return encodings.map((encoding) => ({ ...encoding, active: isSingle ? wanted.size > 0 : wanted.has(encoding.rid ?? '') }))
}

/** The plan for a computer or phone, from what its browser tells of the line. */
export function suggestedPlan(connection: { effectiveType?: string; saveData?: boolean; downlink?: number } | undefined, isPhone: boolean): UplinkPlan {
  if (connection?.saveData || /2g|3g/.test(connection?.effectiveType ?? '')) return 'saving'
  if (isPhone || (connection?.downlink !== undefined && connection.downlink < 3)) return 'standard'
  return 'high'
}
