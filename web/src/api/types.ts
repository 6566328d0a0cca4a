/** The shapes of `/api/v1`, by hand, in one place. Times are RFC 3339 strings in UTC. */

export type OrgLevel = 'county' | 'township' | 'village'
export type RecordingMode = 'continuous' | 'schedule' | 'event' | 'off'
export type SourceState = 'online' | 'connecting' | 'offline' | 'disabled'
export type StreamQuality = 'main' | 'sub'

export interface Page<T> {
  items: T[]
  next_cursor?: string | null
}

export interface Tokens {
  access_token: string
  refresh_token?: string
  token_type: string
  expires_in: number
}

export interface Me {
  id: string
  username: string
  display_name: string
  org_id: string | null
  org_name?: string
  roles: string[]
  verbs: string[]
  locale?: string | null
}

export interface Org {
  id: string
  name: string
  level: OrgLevel
  parent_id: string | null
  code?: string | null
  cameras_total?: number
  cameras_online?: number
}

export interface RecordingStatus {
  state: string
  since?: string | null
  reason?: string | null
}

export interface CameraStatus {
  state: SourceState
  reason?: string | null
  since?: string | null
  last_packet_at?: string | null
  video?: { codec: string; width: number; height: number; fps?: number | null } | null
  audio?: { codec: string; [key: string]: unknown } | null
  bitrate_bps?: number | null
  clock_offset_ms?: number | null
  recording?: RecordingStatus | null
}

export interface RecordingPlan {
  mode: RecordingMode
  retention_days: number
}

export interface Location {
  address?: string | null
  longitude?: number | null
  latitude?: number | null
}

export interface Camera {
  id: string
  name: string
  org_id: string
  source_url?: string | null
  sub_source_url?: string | null
  enabled: boolean
  recording?: RecordingPlan | null
  location?: Location | null
  gb_code?: string | null
  status?: CameraStatus | null
}

export interface CameraInput {
  id?: string
  name: string
  org_id: string
  source_url?: string
  sub_source_url?: string | null
  enabled: boolean
  recording: RecordingPlan
  location?: Location | null
  gb_code?: string | null
}

export interface ProbeTrack {
  kind?: string
  codec?: string
  [key: string]: unknown
}

export interface ProbeResult {
  ok: boolean
  tracks?: ProbeTrack[]
  video?: { codec: string; width: number; height: number; fps?: number | null } | null
  audio?: { codec: string; [key: string]: unknown } | null
  preview_jpeg_base64?: string | null
  code?: string | null
  message?: string | null
}

export interface ImportRow {
  row: number
  id?: string | null
  name?: string | null
  state: 'created' | 'rejected'
  code?: string | null
  message?: string | null
}

export interface ImportReport {
  created: number
  rejected: number
  rows: ImportRow[]
}

export interface Span {
  start: string
  end: string
  bytes?: number
}

export interface Gap {
  start: string
  end: string
  reason: string
}

export interface Recordings {
  spans: Span[]
  gaps: Gap[]
  planned_s?: number
  recorded_s?: number
  completeness?: number | null
}

export interface CalendarDay {
  /** Local day, `YYYY-MM-DD`. */
  date: string
  recorded_s?: number
}

export interface Grant {
  grant: string
  expires_at: string
}

export interface GrantRequest {
  camera_ids?: string[]
  /** All tracks of a meeting instead of cameras. */
  room_id?: string
  start: string
  end: string
  reason: string
  case_no?: string
  unit?: string
}

export interface Volume {
  id: string
  name: string
  free_bytes: number
  total_bytes: number
  floor_bytes?: number | null
  footage_bytes?: number
  bytes_per_day?: number | null
  days_left?: number | null
}

/** One recorded stream of a camera. */
export interface CameraStorage {
  camera_id: string
  quality?: string
  bytes: number
  oldest?: string | null
  days_kept?: number | null
  required_days?: number | null
  days_left?: number | null
  expected_days?: number | null
  is_short?: boolean
}

export interface MeetingStorage {
  bytes: number
  tracks: number
  oldest: string | null
  days_kept: number
  required_days: number
}

export interface StorageReport {
  volumes: Volume[]
  cameras: CameraStorage[]
  meetings?: MeetingStorage | null
}

export interface User {
  id: string
  username: string
  display_name: string
  org_id: string | null
  roles: string[]
  enabled?: boolean
}

export interface UserInput {
  username?: string
  password?: string
  display_name: string
  org_id: string | null
  roles: string[]
  enabled?: boolean
}

export interface Role {
  id: string
  name: string
  name_zh: string
  name_en: string
  verbs: string[]
}

export interface AuditRow {
  seq: number
  at: string
  user_id?: string | null
  username: string
  address: string
  action: string
  target_kind: string
  target_id: string
  outcome: string
  trace_id: string
  details: Record<string, unknown>
}

// --- meetings --------------------------------------------------------------------------------------------------------

export type RoomKind = 'meeting' | 'call' | 'consultation' | 'broadcast'
export type RoomState = 'scheduled' | 'open' | 'running' | 'ended'
export type SeatRole = 'chair' | 'speaker' | 'attendee' | 'observer'

export interface RoomMember {
  user_id?: string | null
  org_id?: string | null
  name?: string
  role: SeatRole
}

export interface RoomClash {
  code: string
  name: string
  room_id: string | null
  room_name: string | null
  starts_at: string
}

export interface RoomInfo {
  id: string
  name: string
  kind: RoomKind
  state: RoomState
  org_id: string | null
  created_by: string | null
  created_at: string
  starts_at: string | null
  ends_at: string | null
  duration_minutes: number | null
  ended_at: string | null
  end_reason: string | null
  speech: 'open' | 'floor'
  lobby: boolean
  locked: boolean
  for_everybody: boolean
  recording: boolean
  max_participants: number
  participants: number
  members_count: number
  role: SeatRole | null
  may_manage: boolean
  may_lead: boolean
  members?: RoomMember[] | null
  warnings?: RoomClash[] | null
  passcode?: string | null
  invite_url?: string | null
}

export interface RoomInput {
  name: string
  kind?: 'meeting' | 'consultation' | 'broadcast'
  org_id?: string | null
  starts_at?: string | null
  duration_minutes?: number | null
  speech?: 'open' | 'floor'
  lobby?: boolean
  recording?: boolean
  for_everybody?: boolean
  members?: RoomMember[]
  passcode?: string
}

export interface RoomInvite {
  room_id: string
  url: string
  passcode: string
}

/** What somebody with the link may know before coming in. */
export interface Invitation {
  room_id: string
  name: string
  kind: RoomKind
  state: RoomState
  org_name: string
  starts_at: string | null
  duration_minutes: number | null
}

export interface JoinInput {
  display_name?: string
  venue?: string
  head_count?: number
  invite?: string
  passcode?: string
  participant_id?: string
}

export interface RecordAttendee {
  participant_id: string
  name: string
  venue: string
  org_name: string
  kind: string
  role: SeatRole
  head_count: number
  late_minutes: number
  joined_at: string | null
  left_at: string | null
  present_s: number
  away_s: number
  stays: { joined_at: string; left_at: string | null; gaps: { start: string; end: string | null }[] }[]
}

export interface RecordRollCall {
  started_at: string | null
  ended_at: string | null
  entries: { participant_id: string; name: string; state: string; called_at: string | null; answered_at: string | null; late_at: string | null; note: string }[]
}

export interface RoomRecord {
  room_id: string
  name: string
  kind: RoomKind
  org_name: string
  created_by: string
  starts_at: string | null
  opened_at: string | null
  ended_at: string | null
  complete: boolean
  expected_count: number
  present_count: number
  most_heads: number
  expected: { user_id: string | null; org_id: string | null; name: string; role: SeatRole; present: boolean }[]
  attendance: RecordAttendee[]
  roll_calls: RecordRollCall[]
  chat: { at: string; participant_id: string; name: string; text: string }[]
  cameras: { camera_id: string; name: string; shown_by: string; shown_at: string; gone_at: string | null; viewers: string[] }[]
}

export interface RecordedTrack {
  id: string
  participant_id: string
  name: string
  venue: string
  track: 'camera' | 'microphone' | 'screen' | 'video'
  codec: string
  is_playable: boolean
  /** Without its range: `?start=&end=` are added. */
  playlist_url: string
  spans: Span[]
  gaps: Gap[]
}

export interface RoomRecordings {
  tracks: RecordedTrack[]
  start: string | null
  end: string | null
}

export type EndpointKind = 'room' | 'phone' | 'kiosk'

export interface Endpoint {
  id: string
  name: string
  org_id: string | null
  kind: EndpointKind
  user_id: string
  auto_answer: boolean
}

/** A call; `join` leads into its room, for who has just rung or accepted. */
export interface Call {
  id: string
  room_id: string
  state: 'ringing' | 'talking' | 'ended'
  reason: string | null
  from_user_id: string
  from_name: string
  to_user_id: string
  to_name: string
  audio_only: boolean
  auto_answer: boolean
  join?: JoinTicket | null
}

export interface Person {
  id: string
  display_name: string
  org_id: string | null
  org_name: string
}

/** Opens `/api/v1/session` once. */
export interface SessionTicket {
  token: string
  session_url: string
  ice_servers: { urls: string; username?: string; credential?: string }[]
}

export interface JoinTicket extends SessionTicket {
  participant_id: string
  role: SeatRole
  room_id: string
  room_name?: string
}
