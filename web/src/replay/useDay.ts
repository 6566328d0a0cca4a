/** What was recorded of one camera on one day, refreshed while the day is still going on. */
import { replay } from '@/api/endpoints'
import { DAY_MS, dayOf, dayStartMs, isoOf } from '@/time/format'
import { useClock } from '@/stores/clock'
import { computed, onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue'
import type { Bar, GapBar } from './timeline'

const REFRESH_MS = 15_000

export function useDay(cameraId: Ref<string | null>, day: Ref<string>) {
  const clock = useClock()
  const range = computed(() => ({ startMs: dayStartMs(day.value), endMs: dayStartMs(day.value) + DAY_MS }))
  const spans = shallowRef<Bar[]>([])
  const gaps = shallowRef<GapBar[]>([])
  const completeness = ref<number | null>(null)
  const loading = ref(false)
  const problem = shallowRef<unknown>(null)
  let turn = 0

  async function load(quiet = false): Promise<void> {
    if (cameraId.value === null) return
    const mine = (turn += 1)
    loading.value = !quiet
    try {
      const { startMs, endMs } = range.value
      const end = Math.min(endMs, Math.max(startMs + 1000, clock.nowMs))
      const answer = await replay.recordings(cameraId.value, isoOf(startMs), isoOf(end))
      if (mine !== turn) return
      spans.value = answer.spans.map((span) => ({ startMs: Date.parse(span.start), endMs: Date.parse(span.end) }))
      gaps.value = answer.gaps.map((gap) => ({ startMs: Date.parse(gap.start), endMs: Date.parse(gap.end), reason: gap.reason }))
      completeness.value = answer.completeness ?? null
      problem.value = null
    } catch (error) {
      if (mine === turn && !quiet) problem.value = error
    } finally {
      if (mine === turn) loading.value = false
    }
  }

  watch(
    [cameraId, day],
    () => {
      spans.value = []
      gaps.value = []
      completeness.value = null
      problem.value = null
      void load()
    },
    { immediate: true },
  )
  const timer = setInterval(() => {
    if (day.value === dayOf(clock.nowMs) && !document.hidden) void load(true)
  }, REFRESH_MS)
  onBeforeUnmount(() => clearInterval(timer))

  return { range, spans, gaps, completeness, loading, problem, load }
}
