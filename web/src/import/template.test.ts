import { describe, expect, it } from 'vitest'
import { COLUMNS, MAX_BYTES, refusal, templateCsv } from './template'

describe('import table', () => {
  it('offers a template whose rows have all columns', () => {
    const columns = Object.keys(COLUMNS).length
    for (const isChinese of [true, false]) {
      const lines = templateCsv('xinfa', isChinese).trim().split('\r\n')
      expect(lines.map((line) => line.split(',').length)).toEqual([columns, columns])
      expect(lines[1]).toContain(',xinfa,rtsp://')
    }
    expect(templateCsv('xinfa', true).charCodeAt(0)).toBe(0xfeff)
  })

  it('refuses other files and large ones before uploading', () => {
    expect(refusal({ name: 'a.XLSX', size: 10 })).toBeNull()
    expect(refusal({ name: 'a.xls', size: 10 })).toBe('import.type')
    expect(refusal({ name: 'a.csv', size: MAX_BYTES + 1 })).toBe('import.tooBig')
  })
})
