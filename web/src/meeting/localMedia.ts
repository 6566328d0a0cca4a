/**
 * This computer's camera and microphone: opened for the device check, kept through the meeting, changed in the middle of
 * it. Whoever publishes is told every new track; a fault is a fact to show, never an exception to the page.
 */
import { ref, shallowRef } from 'vue'
import { capturePlan, type UplinkPlan } from '@/session/encodings'
import { DeviceError, listDevices, onDevicesChanged, openCamera, openMicrophone, type DeviceChoice, type DeviceFault, type DeviceKind } from './devices'

export type TrackChanged = (device: DeviceKind, track: MediaStreamTrack | null) => unknown

export class LocalMedia {
  readonly camera = shallowRef<MediaStreamTrack | null>(null)
  readonly microphone = shallowRef<MediaStreamTrack | null>(null)
  readonly faults = shallowRef<Partial<Record<DeviceKind, DeviceFault>>>({})
  readonly cameras = shallowRef<DeviceChoice[]>([])
  readonly microphones = shallowRef<DeviceChoice[]>([])
  readonly cameraId = ref<string | null>(null)
  readonly microphoneId = ref<string | null>(null)
  readonly isMicOn = ref(false)
  readonly isBusy = ref(false)
  onTrack: TrackChanged | null = null
  /** A device in use was unplugged. */
  onLost: ((device: DeviceKind) => void) | null = null
  private isClosed = false
  private readonly unlisten: () => void

  constructor(public plan: UplinkPlan) {
    this.unlisten = onDevicesChanged(() => void this.refresh())
  }

  async refresh(): Promise<void> {
    ;[this.cameras.value, this.microphones.value] = await Promise.all([listDevices('camera'), listDevices('microphone')])
  }

  /** True when it is open afterwards. */
  async open(device: DeviceKind): Promise<boolean> {
    this.isBusy.value = true
    try {
      const track = device === 'camera' ? await openCamera(this.plan, this.cameraId.value) : await openMicrophone(this.microphoneId.value)
      if (this.isClosed) {
        track.stop()
        return false
      }
      this.setFault(device, null)
      this.adopt(device, track)
      await this.refresh()
      return true
    } catch (error) {
      this.setFault(device, error instanceof DeviceError ? error.fault : { device, kind: 'failed' })
      return false
    } finally {
      this.isBusy.value = false
    }
  }

  /** Another size and rate, of a camera that is open too. */
  async replan(plan: UplinkPlan): Promise<void> {
    if (this.plan === plan) return
    this.plan = plan
    const { width, height, frameRate } = capturePlan(plan)
    const wish = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: frameRate } }
    await this.camera.value?.applyConstraints(wish).catch(() => undefined)
  }

  shut(device: DeviceKind): void {
    this.put(device, null)
  }

  /** Another device, in the middle of a meeting too; the old one stays when the new one does not open. */
  async choose(device: DeviceKind, deviceId: string): Promise<boolean> {
    const [id, held] = device === 'camera' ? [this.cameraId, this.camera] : [this.microphoneId, this.microphone]
    const before = id.value
    id.value = deviceId
    if (held.value === null && device === 'camera') return true
    if (await this.open(device)) return true
    id.value = before
    return false
  }

  /** The microphone stays open while it is muted, so that it is back at once; what it hears is not sent. */
  hear(isOn: boolean): void {
    this.isMicOn.value = isOn
    if (this.microphone.value) this.microphone.value.enabled = isOn
  }

  close(): void {
    this.isClosed = true
    this.onTrack = this.onLost = null
    this.unlisten()
    for (const held of [this.camera, this.microphone]) {
      held.value?.stop()
      held.value = null
    }
  }

  private adopt(device: DeviceKind, track: MediaStreamTrack): void {
    if (device === 'camera') track.contentHint = 'motion'
    else track.enabled = this.isMicOn.value
    track.addEventListener('ended', () => {
      const held = device === 'camera' ? this.camera : this.microphone
      if (held.value !== track || this.isClosed) return
      this.put(device, null)
      this.onLost?.(device)
    })
    this.put(device, track)
    const { deviceId } = track.getSettings()
    if (deviceId) (device === 'camera' ? this.cameraId : this.microphoneId).value = deviceId
  }

  private put(device: DeviceKind, track: MediaStreamTrack | null): void {
    const held = device === 'camera' ? this.camera : this.microphone
    const old = held.value
    held.value = track
    old?.stop()
    void this.onTrack?.(device, track)
  }

  private setFault(device: DeviceKind, fault: DeviceFault | null): void {
    const faults = { ...this.faults.value }
    if (fault) faults[device] = fault
    else Reflect.deleteProperty(faults, device)
    this.faults.value = faults
  }
}
