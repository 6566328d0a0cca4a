/** Answers `/api/v1` from fixtures while developing (`npm run dev` without XIANGYUN_API). Not part of the bundle. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Plugin } from 'vite'
import * as data from './fixtures.ts'

type Answer = { status?: number; body?: unknown; headers?: Record<string, string> }
type Handler = (match: RegExpMatchArray, body: Record<string, unknown>, query: URLSearchParams, signedIn: boolean) => Answer

let setupNeeded = process.env['MOCK_SETUP'] === '1'
const DAY_MS = 86_400_000

function problem(status: number, code: string, title: string, detail: string): Answer {
  return { status, body: { type: `about:blank`, code, title, detail, status, trace_id: 'mock-7f3a91' } }
}

const tokens = { access_token: 'mock', token_type: 'bearer', expires_in: 900 }

function recordings(query: URLSearchParams): Answer {
  const start = Date.parse(query.get('start') ?? '')
  const end = Math.min(Date.parse(query.get('end') ?? ''), Date.now())
  const cuts: [number, number, string][] = [
    [3.1, 0.4, 'unreachable'],
    [9.6, 0.05, 'disconnected'],
    [14.2, 1.3, 'planned'],
    [18.03, 0.02, 'crash'],
  ]
  const spans: { start: string; end: string }[] = []
  const gaps: { start: string; end: string; reason: string }[] = []
  let at = start
  for (const [hour, length, reason] of cuts) {
    const from = start + hour * 3600_000
    const to = from + length * 3600_000
    if (to > end) break
    spans.push({ start: new Date(at).toISOString(), end: new Date(from).toISOString() })
    gaps.push({ start: new Date(from).toISOString(), end: new Date(to).toISOString(), reason })
    at = to
  }
  if (at < end) spans.push({ start: new Date(at).toISOString(), end: new Date(end).toISOString() })
  return { body: { spans, gaps, planned_s: 86_400, recorded_s: 80_000, completeness: 0.973 } }
}

function login(body: Record<string, unknown>): Answer {
  if (body['password'] === 'wrong')
    return problem(401, 'bad_credentials', '用户名或密码不对', '还可以再试 4 次,之后账号会锁定 10 分钟。')
  return { body: tokens, headers: { 'Set-Cookie': 'mock=1; Path=/' } }
}

const routes: [string, RegExp, Handler][] = [
  ['GET', /^\/setup$/, () => ({ body: { needed: setupNeeded } })],
  ['POST', /^\/setup$/, () => ((setupNeeded = false), { status: 201, body: {} })],
  ['POST', /^\/auth\/login$/, (_, body) => login(body)],
  ['POST', /^\/auth\/refresh$/, (_, __, ___, signedIn) => (signedIn ? { body: tokens } : problem(401, 'no_session', '请登录', ''))],
  ['POST', /^\/auth\/logout$/, () => ({ status: 204, headers: { 'Set-Cookie': 'mock=; Path=/; Max-Age=0' } })],
  ['GET', /^\/auth\/me$/, () => ({ body: { ...data.users[0], verbs: data.verbs } })],
  ['GET', /^\/orgs$/, () => ({ body: { items: data.orgs, next_cursor: null } })],
  ['GET', /^\/users$/, () => ({ body: { items: data.users, next_cursor: null } })],
  [
    'GET',
    /^\/roles$/,
    () => ({
      body: {
        items: [
          { id: 'admin', name: '管理员', name_zh: '管理员', name_en: 'Administrator', verbs: [] },
          { id: 'viewer', name: '村值守员', name_zh: '村值守员', name_en: 'Village watch', verbs: [] },
        ],
      },
    }),
  ],
  ['GET', /^\/cameras$/, () => ({ body: { items: data.cameras, next_cursor: null } })],
  ['PATCH', /^\/cameras\/([^/]+)$/, (m) => ({ body: data.cameras.find((camera) => camera.id === m[1]) })],
  [
    'POST',
    /^\/cameras\/probe$/,
    () => ({
      body: { ok: true, tracks: [], video: { codec: 'h264', width: 1920, height: 1080, fps: 25 }, audio: { codec: 'pcma' } },
    }),
  ],
  [
    'POST',
    /^\/cameras\/import$/,
    () => ({
      body: {
        created: 2,
        rejected: 1,
        rows: [
          { row: 2, id: 'cam20', name: '南桥', state: 'created' },
          { row: 3, id: 'cam21', name: '粮站', state: 'created' },
          { row: 4, name: '小卖部', state: 'rejected', code: 'bad_url', message: '地址应以 rtsp:// 开头' },
        ],
      },
    }),
  ],
  ['POST', /^\/cameras\/([^/]+)\/whep$/, () => problem(503, 'worker_away', '媒体服务未启动', '开发模拟没有画面。')],
  ['GET', /^\/recordings$/, (_, __, query) => recordings(query)],
  [
    'GET',
    /^\/recordings\/calendar$/,
    () => ({
      body: {
        days: [0, 1, 2, 3, 5, 6].map((n) => ({
          date: new Date(Date.now() + 8 * 3600_000 - n * DAY_MS).toISOString().slice(0, 10),
          recorded_s: 80_000,
        })),
      },
    }),
  ],
  ['POST', /^\/playback-grants$/, () => ({ body: { grant: 'g', expires_at: new Date(Date.now() + 9e5).toISOString() } })],
  ['GET', /^\/storage$/, () => ({ body: data.storage })],
  ['GET', /^\/audit$/, () => ({ body: { items: data.audit.slice(0, 20), next_cursor: 'next' } })],
]

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>
  } catch {
    return {}
  }
}

function events(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  response.write('event: ping\ndata: {}\n\n')
  let up = false
  const timer = setInterval(() => {
    up = !up
    const status = { ...data.cameras[2]?.status, state: up ? 'online' : 'offline', since: new Date().toISOString() }
    response.write(`event: camera.status\ndata: ${JSON.stringify({ id: 'cam3', status })}\n\n`)
  }, 20_000)
  response.on('close', () => clearInterval(timer))
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const path = url.pathname.replace(/^\/api\/v1/, '')
  if (path === '/events') return events(response)
  const body = await bodyOf(request)
  let result = problem(404, 'not_found', '没有这个地址', path)
  for (const [method, pattern, handler] of routes) {
    const match = path.match(pattern)
    if (match && method === request.method) result = handler(match, body, url.searchParams, (request.headers.cookie ?? '').includes('mock=1'))
  }
  response.writeHead(result.status ?? 200, { 'Content-Type': 'application/json', ...result.headers })
  response.end(result.status === 204 ? undefined : JSON.stringify(result.body))
}

export function mockApi(): Plugin {
  return {
    name: 'xiangyun-mock-api',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        if (request.url?.startsWith('/api/')) void answer(request, response)
        else next()
      })
    },
  }
}
