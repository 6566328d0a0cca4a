/** A small county for developing the console without a hub. Not part of the bundle. */
import type { AuditRow, Camera, CameraStatus, Org, StorageReport, User } from '../src/api/types'

const now = Date.now()
const iso = (ms: number) => new Date(ms).toISOString()

export const orgs: Org[] = [
  { id: 'hean', name: '河安县', level: 'county', parent_id: null, code: '411482' },
  { id: 'qinghe', name: '清河镇', level: 'township', parent_id: 'hean' },
  { id: 'dongling', name: '东岭乡', level: 'township', parent_id: 'hean' },
  { id: 'xinfa', name: '新发村', level: 'village', parent_id: 'qinghe' },
  { id: 'liushu', name: '柳树沟村', level: 'village', parent_id: 'qinghe' },
  { id: 'shangwan', name: '上湾村', level: 'village', parent_id: 'dongling' },
]

const online = (codec = 'h264', width = 1920, height = 1080): CameraStatus => ({
  state: 'online',
  since: iso(now - 5 * 3600_000),
  last_packet_at: iso(now - 200),
  video: { codec, width, height, fps: 25 },
  audio: { codec: 'pcma' },
  bitrate_bps: 2_040_000,
  clock_offset_ms: 120,
  recording: { state: 'recording', since: iso(now - 5 * 3600_000) },
})
const offline = (reason: string): CameraStatus => ({
  state: 'offline',
  reason,
  since: iso(now - 65_000),
  recording: { state: 'waiting', since: iso(now - 65_000), reason },
})

const sites: [string, string, CameraStatus][] = [
  ['村口卡口', 'xinfa', online()],
  ['文化广场', 'xinfa', online()],
  ['村部大院', 'xinfa', offline('unreachable')],
  ['北桥头', 'liushu', online('h265')],
  ['小学门前', 'liushu', offline('unauthorized')],
  ['防火瞭望点', 'shangwan', online()],
  ['水库大坝', 'shangwan', { state: 'connecting', since: iso(now - 8000) }],
  ['镇政府大门', 'qinghe', online()],
  ['农贸市场东', 'qinghe', online()],
  ['乡卫生院', 'dongling', { state: 'disabled', since: iso(now - 86_400_000) }],
  ['县城东路口', 'hean', online()],
]

export const cameras: Camera[] = sites.map(([name, org, status], index) => ({
  id: `cam${index + 1}`,
  name,
  org_id: org,
  source_url: `rtsp://***@10.8.${index}.20:554/Streaming/Channels/101`,
  sub_source_url: index === 8 ? null : `rtsp://***@10.8.${index}.20:554/Streaming/Channels/102`,
  enabled: status.state !== 'disabled',
  recording: { mode: 'continuous', retention_days: index % 4 === 0 ? 90 : 30 },
  location: index % 3 === 0 ? { address: '主路与村道交汇处' } : null,
  gb_code: `4114820100132000${String(index + 1).padStart(4, '0')}`,
  status,
}))

export const users: User[] = [
  { id: 'u1', username: 'admin', display_name: '王建国', org_id: 'hean', roles: ['admin'], enabled: true },
  { id: 'u2', username: 'qinghe', display_name: '李秀英', org_id: 'qinghe', roles: ['operator'], enabled: true },
  { id: 'u3', username: 'xinfa', display_name: '张德山', org_id: 'xinfa', roles: ['viewer'], enabled: false },
]

export const verbs = [
  'live.view', 'live.ptz', 'replay.view', 'replay.download', 'camera.read', 'camera.manage', 'org.read', 'org.manage',
  'user.read', 'user.manage', 'recording.plan', 'audit.read', 'storage.read', 'system.manage',
]

export const storage: StorageReport = {
  volumes: [{ id: 'vol-1', name: 'recordings', free_bytes: 1.3e12, total_bytes: 8e12, floor_bytes: 2e11 }],
  cameras: cameras.map((camera, index) => ({
    camera_id: camera.id,
    bytes: (index + 2) * 9.4e10,
    oldest: iso(now - (index === 4 ? 26 : 30.4) * 86_400_000),
    days_kept: index === 4 ? 26 : index === 7 ? 3.2 : 30.4,
    required_days: camera.recording?.retention_days ?? 30,
    days_left: index === 5 ? 4 : 210 - index * 11,
    is_short: index === 5,
  })),
}

export const audit: AuditRow[] = Array.from({ length: 60 }, (_, index) => ({
  seq: 1000 - index,
  at: iso(now - index * 421_000),
  username: ['admin', 'qinghe', 'xinfa'][index % 3] ?? 'admin',
  action: ['live.start', 'live.end', 'replay.start', 'camera.update', 'auth.login', 'auth.login_failed'][index % 6] ?? '',
  target_kind: index % 6 < 4 ? 'camera' : '',
  target_id: index % 6 < 4 ? `cam${(index % 9) + 1}` : '',
  outcome: index % 6 === 5 ? 'denied' : 'ok',
  address: `10.8.3.${20 + (index % 7)}`,
  trace_id: `01f${index}a9c`,
  details: { reason: '日常巡检' },
}))
