import { ref, type Ref } from 'vue'

export interface Attempt {
  readonly busy: Ref<boolean>
  readonly problem: Ref<unknown>
  /** Runs `work` unless another attempt is under way; what goes wrong becomes `problem`, for ProblemNote to say. */
  attempt: (work: () => Promise<void>) => Promise<void>
}

/** One thing a form asks of the hub: busy while it is asked, and the problem when it fails. */
export function useAttempt(): Attempt {
  const busy = ref(false)
  const problem = ref<unknown>(null)
  async function attempt(work: () => Promise<void>): Promise<void> {
    if (busy.value) return
    busy.value = true
    problem.value = null
    try {
      await work()
    } catch (error) {
      problem.value = error
    } finally {
      busy.value = false
    }
  }
  return { busy, problem, attempt }
}
