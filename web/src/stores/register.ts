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
  cameraId: string
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

  /** true when media of the camera in the range may be opened now; false when the person declined to say why. */
  async function ensure(cameraId: string, startMs: number, endMs: number): Promise<boolean> {
    const grant = held.value
    const covers = grant?.cameraId === cameraId && grant.startMs <= startMs && grant.endMs >= endMs
    if (covers && grant.expiresMs - RENEW_BEFORE_MS > Date.now()) return true
    const entry = stillValid(remembered.value, Date.now()) ? remembered.value : await ask()
    if (!entry) return false
    const { expires_at } = await replay.grant({
      camera_ids: [cameraId],
      start: isoOf(startMs),
      end: isoOf(endMs),
      reason: entry.reason.trim(),
      ...(entry.caseNo.trim() ? { case_no: entry.caseNo.trim() } : {}),
      ...(entry.unit.trim() ? { unit: entry.unit.trim() } : {}),
    })
    held.value = { cameraId, startMs, endMs, expiresMs: Date.parse(expires_at) }
    return true
  }

  return { remembered, asking, current, ensure, reply, forgetGrant, forgetReason }
})
