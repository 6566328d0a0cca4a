/** Errors in words: what happened, what to do, and the trace id that the person on the phone asks for. */
import { ElMessage } from 'element-plus'
import { i18n } from '@/i18n'
import { ApiError } from '@/api/problem'

export function problemText(error: unknown): string {
  const { t, te } = i18n.global
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error)
  if (error.code === 'network') return t('problem.network')
  const fields = error.context['errors']
  const listed = Array.isArray(fields)
    ? fields.map((item: { field?: unknown; message?: unknown }) => `${String(item.field)}: ${String(item.message)}`).slice(0, 4)
    : []
  const byCode = `problem.code.${error.code}`
  const words = error.detail || (te(byCode) ? t(byCode) : error.title) || t('problem.unknown', { status: error.status })
  return [words, ...listed].join('\n')
}

export function traceOf(error: unknown): string | null {
  return error instanceof ApiError ? error.traceId : null
}

export function sayProblem(error: unknown): void {
  const trace = traceOf(error)
  ElMessage.error({
    message: problemText(error) + (trace ? `\n${i18n.global.t('problem.trace', { id: trace })}` : ''),
    duration: 8000,
    showClose: true,
    grouping: true,
  })
}

export function sayDone(key: string): void {
  ElMessage.success({ message: i18n.global.t(key), duration: 3000 })
}
