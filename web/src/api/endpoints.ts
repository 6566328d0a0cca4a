/** Every call of the console to the hub, by hand and typed. Pages and stores use these, never paths. */
import { API_ROOT, call, callAll, fetchRaw } from './http'
import type * as T from './types'

const id = encodeURIComponent

export const setup = {
  needed: () => call<{ needed: boolean }>('/setup', { auth: false }),
  create: (input: { username: string; password: string; display_name?: string; county_name: string }) =>
    call<unknown>('/setup', { method: 'POST', json: input, auth: false }),
}

export const auth = {
  login: (username: string, password: string, otp?: string) =>
    call<T.Tokens>('/auth/login', {
      method: 'POST',
      json: { username, password, ...(otp ? { otp } : {}) },
      auth: false,
    }),
  logout: () => call<unknown>('/auth/logout', { method: 'POST', json: {} }),
  me: () => call<T.Me>('/auth/me'),
}

export const orgs = {
  list: () => callAll<T.Org>('/orgs'),
  create: (input: Partial<T.Org>) => call<T.Org>('/orgs', { method: 'POST', json: input }),
  update: (orgId: string, input: Partial<T.Org>) => call<T.Org>(`/orgs/${id(orgId)}`, { method: 'PATCH', json: input }),
  remove: (orgId: string) => call<unknown>(`/orgs/${id(orgId)}`, { method: 'DELETE' }),
}

export const users = {
  list: () => callAll<T.User>('/users'),
  create: (input: T.UserInput) => call<T.User>('/users', { method: 'POST', json: input }),
  update: (userId: string, input: Partial<T.UserInput>) =>
    call<T.User>(`/users/${id(userId)}`, { method: 'PATCH', json: input }),
  remove: (userId: string) => call<unknown>(`/users/${id(userId)}`, { method: 'DELETE' }),
  roles: () => call<{ items: T.Role[] }>('/roles').then((page) => page.items),
}

export const cameras = {
  list: () => callAll<T.Camera>('/cameras'),
  create: (input: T.CameraInput) => call<T.Camera>('/cameras', { method: 'POST', json: input }),
  update: (cameraId: string, input: Partial<T.CameraInput>) =>
    call<T.Camera>(`/cameras/${id(cameraId)}`, { method: 'PATCH', json: input }),
  remove: (cameraId: string) => call<unknown>(`/cameras/${id(cameraId)}`, { method: 'DELETE' }),
  /** With `cameraId` a masked address of that stored camera is tried with its stored password. */
  probe: (sourceUrl: string, cameraId?: string) =>
    call<T.ProbeResult>('/cameras/probe', {
      method: 'POST',
      json: { source_url: sourceUrl, ...(cameraId ? { camera_id: cameraId } : {}) },
      timeoutMs: 20_000,
    }),
  import: (file: File) => {
    const body = new FormData()
    body.append('file', file)
    return call<T.ImportReport>('/cameras/import', { method: 'POST', body, timeoutMs: 120_000 })
  },
}

export const sessions = {
  /** A token for one session of watching: single use, two minutes. */
  create: () => call<T.SessionTicket>('/sessions', { method: 'POST', json: {} }),
}

export const replay = {
  recordings: (cameraId: string, start: string, end: string) =>
    call<T.Recordings>(`/recordings?${new URLSearchParams({ camera_id: cameraId, start, end }).toString()}`),
  calendar: (cameraId: string, month: string) =>
    call<{ days: T.CalendarDay[] }>(
      `/recordings/calendar?${new URLSearchParams({ camera_id: cameraId, month }).toString()}`,
    ),
  grant: (input: T.GrantRequest) => call<T.Grant>('/playback-grants', { method: 'POST', json: input }),
  /** The cookie set with the grant opens these; the grant itself stays out of every URL and log. */
  playlistUrl: (cameraId: string, start: string, end: string, keys: boolean) =>
    `${API_ROOT}/cameras/${id(cameraId)}/playback.m3u8?${new URLSearchParams({ start, end, ...(keys ? { keys: '1' } : {}) }).toString()}`,
  mp4Url: (cameraId: string, start: string, end: string) =>
    `${API_ROOT}/cameras/${id(cameraId)}/playback.mp4?${new URLSearchParams({ start, end }).toString()}`,
}

export const system = {
  storage: () => call<T.StorageReport>('/storage'),
  audit: (query: Record<string, string>) => call<T.Page<T.AuditRow>>(`/audit?${new URLSearchParams(query).toString()}`),
}

export const rooms = {
  list: (query: Record<string, string> = {}) => callAll<T.RoomInfo>(`/rooms?${new URLSearchParams(query).toString()}`),
  get: (roomId: string) => call<T.RoomInfo>(`/rooms/${id(roomId)}`),
  create: (input: T.RoomInput) => call<T.RoomInfo>('/rooms', { method: 'POST', json: input }),
  update: (roomId: string, input: Partial<T.RoomInput>) => call<T.RoomInfo>(`/rooms/${id(roomId)}`, { method: 'PATCH', json: input }),
  end: (roomId: string) => call<unknown>(`/rooms/${id(roomId)}/end`, { method: 'POST', json: {} }),
  invite: (roomId: string) => call<T.RoomInvite>(`/rooms/${id(roomId)}/invite`),
  renewInvite: (roomId: string) => call<T.RoomInvite>(`/rooms/${id(roomId)}/invite`, { method: 'POST', json: {} }),
  inviteSvg: (roomId: string) => fetchRaw(`/rooms/${id(roomId)}/invite.svg`, { headers: { Accept: 'image/svg+xml' } }).then((answer) => answer.blob()),
  invitation: (roomId: string, invite: string) =>
    call<T.Invitation>(`/rooms/${id(roomId)}/invitation?${new URLSearchParams({ invite }).toString()}`, { auth: false }),
  join: (roomId: string, input: T.JoinInput, auth: boolean) =>
    call<T.JoinTicket>(`/rooms/${id(roomId)}/join`, { method: 'POST', json: input, auth }),
  chair: (roomId: string, action: object) => call<unknown>(`/rooms/${id(roomId)}/chair`, { method: 'POST', json: action }),
  addCamera: (roomId: string, cameraId: string) => call<unknown>(`/rooms/${id(roomId)}/cameras/${id(cameraId)}`, { method: 'POST', json: {} }),
  removeCamera: (roomId: string, cameraId: string) => call<unknown>(`/rooms/${id(roomId)}/cameras/${id(cameraId)}`, { method: 'DELETE' }),
  record: (roomId: string) => call<T.RoomRecord>(`/rooms/${id(roomId)}/record`),
  recordFile: (roomId: string, kind: 'json' | 'xlsx') => fetchRaw(`/rooms/${id(roomId)}/record.${kind}`, { headers: { Accept: '*/*' } }).then((answer) => answer.blob()),
  recordings: (roomId: string) => call<T.RoomRecordings>(`/rooms/${id(roomId)}/recordings`),
}

export const people = {
  /** Whom one may ring or invite. */
  list: (query = '') => callAll<T.Person>(`/people?${new URLSearchParams(query ? { q: query } : {}).toString()}`),
}

export const calls = {
  mine: () => call<T.Page<T.Call>>('/calls?limit=5').then((page) => page.items),
  make: (to: { user_id?: string; endpoint_id?: string; audio_only?: boolean }) => call<T.Call>('/calls', { method: 'POST', json: to }),
  accept: (callId: string) => call<T.Call>(`/calls/${id(callId)}/accept`, { method: 'POST', json: {} }),
  decline: (callId: string) => call<unknown>(`/calls/${id(callId)}/decline`, { method: 'POST', json: {} }),
  cancel: (callId: string) => call<unknown>(`/calls/${id(callId)}/cancel`, { method: 'POST', json: {} }),
}

export const endpoints = {
  list: () => callAll<T.Endpoint>('/endpoints'),
  create: (input: Omit<T.Endpoint, 'id' | 'org_id'>) => call<T.Endpoint>('/endpoints', { method: 'POST', json: input }),
  update: (endpointId: string, input: Partial<Omit<T.Endpoint, 'id' | 'org_id'>>) => call<T.Endpoint>(`/endpoints/${id(endpointId)}`, { method: 'PATCH', json: input }),
  remove: (endpointId: string) => call<unknown>(`/endpoints/${id(endpointId)}`, { method: 'DELETE' }),
}
