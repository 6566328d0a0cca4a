/** Cameras and microphones of this computer: opened, listed, and their faults in words a person can act on. */
import { capturePlan, type UplinkPlan } from '@/session/encodings'

export type DeviceKind = 'camera' | 'microphone'
export type FaultKind = 'denied' | 'none' | 'busy' | 'insecure' | 'unsupported' | 'failed'

export interface DeviceFault {
  device: DeviceKind
  kind: FaultKind
}

export interface DeviceChoice {
  id: string
  label: string
}

/** What a refusal of the browser means; pure. Names differ between browsers, old ones have words of their own. */
export function faultOf(name: string, isSecure: boolean, hasApi: boolean): FaultKind {
  if (!isSecure) return 'insecure'
  if (!hasApi) return 'unsupported'
  if (/^(NotAllowed|PermissionDenied|Security)/.test(name)) return 'denied'
  if (/^(NotFound|DevicesNotFound|Overconstrained|ConstraintNotSatisfied)/.test(name)) return 'none'
  if (/^(NotReadable|TrackStart|Abort)/.test(name)) return 'busy'
  return 'failed'
}

export class DeviceError extends Error {
  constructor(readonly fault: DeviceFault) {
    super(`${fault.device}: ${fault.kind}`)
  }
}

function media(): MediaDevices | undefined {
  return (navigator as { mediaDevices?: MediaDevices }).mediaDevices
}

async function open(device: DeviceKind, constraints: MediaStreamConstraints): Promise<MediaStreamTrack> {
  try {
    const stream = await media()?.getUserMedia(constraints)
    const track = stream?.getTracks()[0]
    if (!track) throw new DOMException('', 'NotFoundError')
    return track
  } catch (error) {
    const name = error instanceof DOMException ? error.name : ''
    throw new DeviceError({ device, kind: faultOf(name, window.isSecureContext, media() !== undefined) })
  }
}

export function openCamera(plan: UplinkPlan, deviceId: string | null): Promise<MediaStreamTrack> {
  const { width, height, frameRate } = capturePlan(plan)
  const device = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: 'user' }
  return open('camera', { video: { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: frameRate, max: 30 }, ...device } })
}

export function openMicrophone(deviceId: string | null): Promise<MediaStreamTrack> {
  const device = deviceId ? { deviceId: { exact: deviceId } } : {}
  return open('microphone', { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1, ...device } })
}

/** Names are empty until a permission was given. */
export async function listDevices(device: DeviceKind): Promise<DeviceChoice[]> {
  const wanted = device === 'camera' ? 'videoinput' : 'audioinput'
  const all = (await media()?.enumerateDevices().catch(() => [])) ?? []
  return all.filter((each) => each.kind === wanted && each.deviceId !== '').map((each) => ({ id: each.deviceId, label: each.label }))
}

export function onDevicesChanged(changed: () => void): () => void {
  const devices = media()
  devices?.addEventListener('devicechange', changed)
  return () => devices?.removeEventListener('devicechange', changed)
}

export function canShareScreen(): boolean {
  return typeof (media() as { getDisplayMedia?: unknown } | undefined)?.getDisplayMedia === 'function'
}
