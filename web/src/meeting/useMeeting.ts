/** The meeting of this page, for the components under it. */
import { inject, provide, type InjectionKey } from 'vue'
import { provideSession } from '@/session/context'
import type { Meeting } from './meeting'

const KEY: InjectionKey<Meeting> = Symbol('meeting')

export function provideMeeting(meeting: Meeting): void {
  provide(KEY, meeting)
  provideSession(meeting)
}

export function useMeeting(): Meeting {
  const meeting = inject(KEY)
  if (!meeting) throw new Error('no meeting is provided here')
  return meeting
}
