/** The camera tree by organisation: counts, filtering, and the flat list of rows that is drawn; pure. */
import type { Camera, Org } from '@/api/types'

export interface OrgNode {
  org: Org
  children: OrgNode[]
  cameras: Camera[]
  /** Of the whole subtree. */
  total: number
  online: number
}

export type TreeRow =
  | { kind: 'org'; key: string; depth: number; node: OrgNode; open: boolean }
  | { kind: 'camera'; key: string; depth: number; camera: Camera }

const LEVEL_ORDER = { county: 0, township: 1, village: 2 }

function byName(a: { name: string }, b: { name: string }): number {
  return a.name.localeCompare(b.name, 'zh-CN', { numeric: true })
}

/** Roots are the organisations whose parent this user cannot see; cameras of unknown organisations are left out. */
export function buildTree(orgs: readonly Org[], cameras: readonly Camera[]): OrgNode[] {
  const nodes = new Map<string, OrgNode>(
    orgs.map((org) => [org.id, { org, children: [], cameras: [], total: 0, online: 0 }]),
  )
  for (const camera of cameras) nodes.get(camera.org_id)?.cameras.push(camera)
  const roots: OrgNode[] = []
  for (const node of nodes.values()) {
    const parent = node.org.parent_id === null ? undefined : nodes.get(node.org.parent_id)
    if (parent && parent !== node) parent.children.push(node)
    else roots.push(node)
  }
  for (const root of roots) count(root)
  return roots.sort((a, b) => LEVEL_ORDER[a.org.level] - LEVEL_ORDER[b.org.level] || byName(a.org, b.org))
}

function count(node: OrgNode): void {
  node.children.sort((a, b) => byName(a.org, b.org))
  node.cameras.sort(byName)
  for (const child of node.children) count(child)
  node.total = node.cameras.length + node.children.reduce((sum, child) => sum + child.total, 0)
  node.online =
    node.cameras.filter((camera) => camera.status?.state === 'online').length +
    node.children.reduce((sum, child) => sum + child.online, 0)
}

function matches(camera: Camera, needle: string): boolean {
  return [camera.name, camera.id, camera.gb_code ?? '', camera.location?.address ?? ''].some((text) =>
    text.toLowerCase().includes(needle),
  )
}

/** Rows to draw. A search opens every branch that holds a hit, and keeps whole branches whose own name matches. */
export function visibleRows(roots: readonly OrgNode[], closed: ReadonlySet<string>, search = ''): TreeRow[] {
  const needle = search.trim().toLowerCase()
  const rows: TreeRow[] = []
  const walk = (node: OrgNode, depth: number, whole: boolean): boolean => {
    const keepAll = whole || needle === '' || node.org.name.toLowerCase().includes(needle)
    const open = needle !== '' || !closed.has(node.org.id)
    const at = rows.length
    rows.push({ kind: 'org', key: `org:${node.org.id}`, depth, node, open })
    let hit = keepAll
    if (open) {
      for (const child of node.children) hit = walk(child, depth + 1, keepAll) || hit
      for (const camera of node.cameras) {
        if (!keepAll && !matches(camera, needle)) continue
        rows.push({ kind: 'camera', key: `camera:${camera.id}`, depth: depth + 1, camera })
        hit = true
      }
    }
    if (!hit) rows.length = at
    return hit
  }
  for (const root of roots) walk(root, 0, false)
  return rows
}

/** `县 / 乡 / 村` of an organisation, from the top this user can see. */
export function orgPath(orgs: ReadonlyMap<string, Org>, orgId: string): string {
  const names: string[] = []
  const seen = new Set<string>()
  for (let at = orgs.get(orgId); at && !seen.has(at.id); at = at.parent_id === null ? undefined : orgs.get(at.parent_id)) {
    seen.add(at.id)
    names.unshift(at.name)
  }
  return names.join(' / ')
}
