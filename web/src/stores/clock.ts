/** One tick for the whole page: server time, once a second. */
import { defineStore } from 'pinia'
import { ref } from 'vue'
import { serverClock } from '@/api/http'

export const useClock = defineStore('clock', () => {
  const nowMs = ref(serverClock.now())
  let timer: ReturnType<typeof setTimeout> | undefined

  function tick(): void {
    nowMs.value = serverClock.now()
    clearTimeout(timer)
    // Just after the server's second turns, so that no second is shown twice or skipped.
    timer = setTimeout(tick, 1005 - (serverClock.now() % 1000))
  }
  tick()

  return { nowMs }
})
