/**
 * 调阅登记: asks for the reason when none is remembered, turns it into a playback grant (whose cookie opens the media),
 * and keeps the grant that covers what is being looked at.
 */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { replay } from '@/api/endpoints'
import { stillValid, type Reason, type RememberedReason } from '@/replay/reason'
import { isoOf } from '@/time/format'

interface HeldGrant {
  /** What it opens. */
  key: string
  startMs: number
  endMs: number
  expiresMs: number
}

const RENEW_BEFORE_MS = 30_000

export const useRegister = defineStore('register', () => {
  const remembered = ref<RememberedReason | null>(null)
  const asking = ref(false)
  const held = ref<HeldGrant | null>(null)
  let answer: ((entry: Reason | null) => void) | null = null
  const current = computed(() => remembered.value?.reason ?? '')

  function ask(): Promise<Reason | null> {
    asking.value = true
    return new Promise((done) => (answer = done))
  }

  function reply(entry: Reason | null): void {
    asking.value = false
    if (entry) remembered.value = { ...entry, atMs: Date.now() }
    answer?.(entry)
    answer = null
  }

  function forgetGrant(): void {
    held.value = null
  }

  function forgetReason(): void {
    remembered.value = null
    held.value = null
  }

  /** What is opened: one camera, or all tracks of a meeting. true when its media may be opened now. */
  async function ensureFor(target: { camera_ids: string[] } | { room_id: string }, startMs: number, endMs: number): Promise<boolean> {
    const key = JSON.stringify(target)
    const grant = held.value
    const covers = grant?.key === key && grant.startMs <= startMs && grant.endMs >= endMs
    if (covers && grant.expiresMs - RENEW_BEFORE_MS > Date.now()) return true
    const entry = stillValid(remembered.value, Date.now()) ? remembered.value : await ask()
    if (!entry) return false
    const { expires_at } = await replay.grant({
      ...target,
      start: isoOf(startMs),
      end: isoOf(endMs),
      reason: entry.reason.trim(),
      ...(entry.caseNo.trim() ? { case_no: entry.caseNo.trim() } : {}),
      ...(entry.unit.trim() ? { unit: entry.unit.trim() } : {}),
    })
    held.value = { key, startMs, endMs, expiresMs: Date.parse(expires_at) }
    return true
  }

  /** true when media of the camera in the range may be opened now; false when the person declined to say why. */
  const ensure = (cameraId: string, startMs: number, endMs: number) => ensureFor({ camera_ids: [cameraId] }, startMs, endMs)
  const ensureRoom = (roomId: string, startMs: number, endMs: number) => ensureFor({ room_id: roomId }, startMs, endMs)

  return { remembered, asking, current, ensure, ensureRoom, reply, forgetGrant, forgetReason }
})
