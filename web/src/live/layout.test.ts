import { describe, expect, it } from 'vitest'
import { clearTile, emptyLayout, fillNext, parseLayout, placeAt, resize, storedForm } from './layout'

const fill = (ids: string[]) => ids.reduce(fillNext, emptyLayout(4))

describe('live layout', () => {
  it('fills free tiles in order, then goes round', () => {
    const full = fill(['a', 'b', 'c', 'd'])
    expect(full.tiles.slice(0, 4)).toEqual(['a', 'b', 'c', 'd'])
    expect(fillNext(full, 'e').tiles.slice(0, 4)).toEqual(['e', 'b', 'c', 'd'])
  })

  it('never shows a camera twice', () => {
    expect(fillNext(fill(['a', 'b']), 'a').tiles.slice(0, 3)).toEqual(['a', 'b', null])
    expect(placeAt(fill(['a', 'b']), 0, 'b').tiles.slice(0, 2)).toEqual(['b', 'a'])
  })

  it('refills a tile that was cleared', () => {
    expect(fillNext(clearTile(fill(['a', 'b', 'c', 'd']), 2), 'x').tiles[2]).toBe('x')
  })

  it('brings cameras back when the grid grows again', () => {
    const small = resize(fill(['a', 'b', 'c', 'd']), 1)
    expect(resize(small, 4).tiles.slice(0, 4)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('drops sound and focus that are no longer visible', () => {
    const layout = { ...fill(['a', 'b', 'c']), sound: 2, focus: 2 }
    expect(resize(layout, 1)).toMatchObject({ sound: null, focus: null })
    expect(clearTile(layout, 2)).toMatchObject({ sound: null, focus: null })
  })

  it('survives storing, and forgets cameras that are gone', () => {
    const text = storedForm(resize(fill(['a', 'b', 'c']), 9))
    const back = parseLayout(text, new Set(['a', 'c']))
    expect(back).toMatchObject({ size: 9, cursor: 1 })
    expect(back.tiles.slice(0, 3)).toEqual(['a', null, 'c'])
  })

  it.each([null, '', '{', '7', '{"size":5,"tiles":"x"}', '{"tiles":[1,{}]}'])('shrugs at stored %s', (text) => {
    expect(parseLayout(text, new Set())).toEqual(emptyLayout())
  })
})
