import { describe, expect, it } from 'vitest'
import type { Camera, Org } from '@/api/types'
import { buildTree, orgPath, visibleRows } from './orgTree'

const orgs: Org[] = [
  { id: 'v1', name: '新发村', level: 'village', parent_id: 't1' },
  { id: 'c', name: '河安县', level: 'county', parent_id: null },
  { id: 't1', name: '清河镇', level: 'township', parent_id: 'c' },
  { id: 't2', name: '东岭乡', level: 'township', parent_id: 'c' },
]
const camera = (id: string, orgId: string, state: 'online' | 'offline'): Camera => ({
  id,
  name: `村口${id}`,
  org_id: orgId,
  enabled: true,
  status: { state },
})
const cameras = [camera('10', 'v1', 'online'), camera('2', 'v1', 'offline'), camera('7', 'c', 'online')]

describe('buildTree', () => {
  it('counts online and total over the whole subtree', () => {
    const [county] = buildTree(orgs, cameras)
    expect(county).toMatchObject({ total: 3, online: 2 })
    expect(county?.children.map((node) => [node.org.name, node.online, node.total])).toEqual([
      ['东岭乡', 0, 0],
      ['清河镇', 1, 2],
    ])
  })

  it('makes a root of a village whose parents this user may not see', () => {
    expect(buildTree([orgs[0] as Org], cameras).map((node) => node.org.id)).toEqual(['v1'])
  })
})

describe('visibleRows', () => {
  it('sorts numbers as people do and hides closed branches', () => {
    const tree = buildTree(orgs, cameras)
    expect(visibleRows(tree, new Set()).map((row) => row.key)).toEqual([
      'org:c',
      'org:t2',
      'org:t1',
      'org:v1',
      'camera:2',
      'camera:10',
      'camera:7',
    ])
    expect(visibleRows(tree, new Set(['t1'])).map((row) => row.key)).toEqual(['org:c', 'org:t2', 'org:t1', 'camera:7'])
  })

  it('finds cameras in closed branches', () => {
    const rows = visibleRows(buildTree(orgs, cameras), new Set(['c']), '口10')
    expect(rows.map((row) => row.key)).toEqual(['org:c', 'org:t1', 'org:v1', 'camera:10'])
  })

  it('keeps a whole branch whose name matches', () => {
    const rows = visibleRows(buildTree(orgs, cameras), new Set(), '清河')
    expect(rows.map((row) => row.key)).toEqual(['org:c', 'org:t1', 'org:v1', 'camera:2', 'camera:10'])
  })
})

describe('orgPath', () => {
  it('reads from the top and survives a loop', () => {
    const map = new Map(orgs.map((org) => [org.id, org]))
    expect(orgPath(map, 'v1')).toBe('河安县 / 清河镇 / 新发村')
    const loop = new Map<string, Org>([['a', { id: 'a', name: 'A', level: 'village', parent_id: 'a' }]])
    expect(orgPath(loop, 'a')).toBe('A')
  })
})
