import { describe, expect, it } from 'vitest'
import zh from '@/i18n/zh'
import { detailsText } from './details'

function words(key: string): string | null {
  const found = key.split('.').reduce<unknown>((at, part) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[part] : undefined), zh)
  return typeof found === 'string' ? found : null
}

describe('detailsText', () => {
  it.each([
    [{ created: 2, rejected: 3 }, '新增 2 · 未导入 3'],
    [{ failures: 1, is_locked: false }, '连续失败次数 1'],
    [{ username: 'zhang', roles: ['admin', 'viewer'] }, '用户名 zhang · 角色 管理员 / 村值守员'],
    [{ session: 'a1b2', reason: 'deleted', watched_s: 65 }, '原因 观看结束 · 时长 01:05'],
    [{ grant: 'x', reason: '寻找走失老人', case_no: '', start: '2026-11-22T16:00:00Z' }, '原因 寻找走失老人 · 开始 2026-11-23 00:00:00'],
    [{ end: '2026-11-23T16:00:00Z', reason: '核查火情', verbs: 'replay.download replay.view' }, '原因 核查火情 · 结束 2026-11-24 00:00:00 · 权限 下载 / 回放'],
    [{ verbs: ['live.view', 'odd.verb'] }, '权限 实时 / odd.verb'],
    [{ changes: { name: '东门', enabled: true } }, '修改 名称 东门 · 启用 是'],
    [{ strange_field: 7 }, 'strange_field 7'],
  ])('says %j', (details, text) => expect(detailsText(details, words)).toBe(text))
})
