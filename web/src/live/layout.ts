/** The grid of a viewer: 1, 4 or 9 tiles, which camera in which; pure, so that it can be stored and restored. */

export type GridSize = 1 | 4 | 9

export interface LiveLayout {
  size: GridSize
  /** Always nine entries; the first `size` are visible. Growing the grid again brings cameras back. */
  tiles: (string | null)[]
  /** Index of the tile that shows the main stream full screen, or null. */
  focus: number | null
  /** The one tile with sound. */
  sound: number | null
  /** The tile that the next click in the tree fills. */
  cursor: number
}

export const MAX_TILES = 9

export function emptyLayout(size: GridSize = 4): LiveLayout {
  return { size, tiles: Array.from({ length: MAX_TILES }, () => null), focus: null, sound: null, cursor: 0 }
}

function visible(layout: LiveLayout): (string | null)[] {
  return layout.tiles.slice(0, layout.size)
}

/** Puts a camera where the cursor is; the cursor moves to the next free tile, else to the next in turn. */
export function fillNext(layout: LiveLayout, cameraId: string): LiveLayout {
  const already = visible(layout).indexOf(cameraId)
  if (already >= 0) return { ...layout, cursor: already }
  const free = visible(layout).indexOf(null)
  const taken = layout.tiles[layout.cursor] !== null
  const target = taken && free >= 0 ? free : layout.cursor < layout.size ? layout.cursor : 0
  return placeAt(layout, target, cameraId)
}

/** Puts a camera into a tile; a camera already shown elsewhere moves (the two tiles swap). */
export function placeAt(layout: LiveLayout, index: number, cameraId: string): LiveLayout {
  const tiles = [...layout.tiles]
  const from = visible(layout).indexOf(cameraId)
  if (from >= 0 && from !== index) tiles[from] = tiles[index] ?? null
  tiles[index] = cameraId
  const free = tiles.slice(0, layout.size).indexOf(null)
  const cursor = free >= 0 ? free : (index + 1) % layout.size
  return { ...layout, tiles, cursor, focus: layout.focus === null ? null : index }
}

export function clearTile(layout: LiveLayout, index: number): LiveLayout {
  const tiles = layout.tiles.map((id, at) => (at === index ? null : id))
  return {
    ...layout,
    tiles,
    cursor: index,
    focus: layout.focus === index ? null : layout.focus,
    sound: layout.sound === index ? null : layout.sound,
  }
}

export function resize(layout: LiveLayout, size: GridSize): LiveLayout {
  const keepSound = layout.sound !== null && layout.sound < size ? layout.sound : null
  return { ...layout, size, focus: null, sound: keepSound, cursor: layout.cursor < size ? layout.cursor : 0 }
}

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? 'null')
  } catch {
    return null
  }
}

/** Reads what an earlier session stored; anything odd falls back to an empty grid. */
export function parseLayout(text: string | null, knownIds: ReadonlySet<string>): LiveLayout {
  const raw = parsed(text)
  if (typeof raw !== 'object' || raw === null) return emptyLayout()
  const { size, tiles } = raw as { size?: unknown; tiles?: unknown }
  const layout = emptyLayout(size === 1 || size === 9 ? size : 4)
  if (Array.isArray(tiles))
    layout.tiles = layout.tiles.map((_, at) => {
      const id: unknown = tiles[at]
      return typeof id === 'string' && knownIds.has(id) ? id : null
    })
  const free = visible(layout).indexOf(null)
  return { ...layout, cursor: free >= 0 ? free : 0 }
}

export function storedForm(layout: LiveLayout): string {
  return JSON.stringify({ size: layout.size, tiles: layout.tiles })
}
