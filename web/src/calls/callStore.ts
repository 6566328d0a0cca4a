/** Calls of this person: what rings, the one that is on, and what became of it. */
import { calls as callApi, rooms } from '@/api/endpoints'
import { ApiError } from '@/api/problem'
import { ringOf, type News, type Ring } from '@/api/news'
import type { Call, JoinTicket } from '@/api/types'
import { sayProblem } from '@/components/useProblem'
import { i18n } from '@/i18n'
import { intentOf, prepare } from '@/meeting/joining'
import { router } from '@/router'
import { suggestedPlan } from '@/session/encodings'
import { useSession } from '@/stores/session'
import { ElMessage } from 'element-plus'
import { defineStore } from 'pinia'
import { ref } from 'vue'

export interface CurrentCall {
  callId: string
  roomId: string
  name: string
  isRinging: boolean
}

/** Straight into the room of the call, with sound and picture on: a telephone asks nothing. */
async function enter(roomId: string, name: string, ticket: JoinTicket | null, isAudioOnly: boolean): Promise<void> {
  const join = { display_name: name, venue: '', head_count: 1 }
  const intent = intentOf(roomId, join, false, suggestedPlan(undefined, matchMedia('(max-width: 760px)').matches))
  intent.media.hear(true)
  intent.isAudioOnly = isAudioOnly
  await intent.media.open('microphone')
  if (!isAudioOnly) await intent.media.open('camera')
  try {
    intent.ticket = ticket ?? (await rooms.join(roomId, join, true))
  } catch (error) {
    intent.media.close()
    throw error
  }
  prepare(intent)
  await router.push({ name: 'meeting', params: { roomId } })
}

async function ringsFor(userId: string | undefined): Promise<Ring | null> {
  const open = await callApi.mine().catch(() => [])
  const found = open.find((each) => each.state === 'ringing' && each.to_user_id === userId)
  return found ? ringOf(found) : null
}

export const useCalls = defineStore('calls', () => {
  const session = useSession()
  const ringing = ref<Ring | null>(null)
  const current = ref<CurrentCall | null>(null)
  /** Room of the call that ended last. */
  const endedRoom = ref<string | null>(null)
  const myName = () => session.me?.display_name || session.me?.username || ''

  async function begin(made: Call, name: string, isRinging: boolean, isAudioOnly: boolean): Promise<void> {
    current.value = { callId: made.id, roomId: made.room_id, name, isRinging }
    endedRoom.value = null
    await enter(made.room_id, myName(), made.join ?? null, isAudioOnly)
  }

  async function call(to: { user_id?: string; endpoint_id?: string }, name: string, isAudioOnly: boolean): Promise<void> {
    try {
      await begin(await callApi.make({ ...to, audio_only: isAudioOnly }), name, true, isAudioOnly)
    } catch (error) {
      await hangUp()
      sayProblem(error)
    }
  }

  /** Stops ringing, or ends the call for both. */
  async function hangUp(): Promise<void> {
    const { value } = current
    current.value = null
    if (value) await callApi.cancel(value.callId).catch(() => undefined)
  }

  async function accept(isAudioOnly: boolean): Promise<void> {
    const ring = ringing.value
    ringing.value = null
    if (!ring) return
    try {
      await begin(await callApi.accept(ring.callId), ring.from, false, isAudioOnly || ring.isAudioOnly)
    } catch (error) {
      sayProblem(error)
    }
  }

  async function decline(): Promise<void> {
    const ring = ringing.value
    ringing.value = null
    if (ring) await callApi.decline(ring.callId).catch((error: unknown) => !(error instanceof ApiError && error.status === 409) && sayProblem(error))
  }

  /** A page that was away finds here what rings. */
  async function catchUp(): Promise<void> {
    const found = await ringsFor(session.me?.id)
    if (found && current.value === null) ringing.value = found
  }

  function hear(news: News): void {
    if (news.kind === 'ringing' && current.value === null) ringing.value = news.ring
    else if (news.kind === 'call_accepted' && current.value?.callId === news.callId) current.value = { ...current.value, isRinging: false }
    else if (news.kind === 'call_ended') ended(news.callId, news.reason)
  }

  function ended(callId: string, reason: string): void {
    if (ringing.value?.callId === callId) ringing.value = null
    else if (current.value?.callId !== callId || reason === 'answered_elsewhere') return
    else {
      endedRoom.value = current.value.roomId
      current.value = null
    }
    const key = `call.reason.${reason}`
    ElMessage.info({ message: i18n.global.t(i18n.global.te(key) ? key : 'call.ended'), duration: 6_000 })
  }

  return { ringing, current, endedRoom, call, hangUp, accept, decline, catchUp, hear }
})
