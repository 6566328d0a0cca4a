/** Who is at the console, and what they may do. */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { auth } from '@/api/endpoints'
import { session } from '@/api/http'
import type { Me } from '@/api/types'

export const useSession = defineStore('session', () => {
  const me = ref<Me | null>(null)
  const verbs = computed(() => new Set(me.value?.verbs ?? []))

  function can(verb: string): boolean {
    return verbs.value.has(verb)
  }

  async function adoptMe(): Promise<void> {
    me.value = await auth.me()
  }

  async function login(username: string, password: string, otp?: string): Promise<void> {
    session.adopt(await auth.login(username, password, otp))
    await adoptMe()
  }

  /** After a page load: the HttpOnly cookie may still hold a session. */
  async function restore(): Promise<boolean> {
    if (me.value !== null) return true
    if (!(await session.renew())) return false
    try {
      await adoptMe()
      return true
    } catch {
      return false
    }
  }

  async function logout(): Promise<void> {
    try {
      await auth.logout()
    } catch {
      // Offline or already ended: the token is forgotten either way.
    }
    leave()
  }

  function leave(): void {
    session.forget()
    me.value = null
  }

  /** Line of the watermark: who is looking. */
  const viewer = computed(() => (me.value ? `${me.value.display_name || me.value.username} ${me.value.username}` : ''))

  return { me, viewer, can, adoptMe, login, restore, logout, leave }
})
