/** The import table: its columns, a template to fill, and what may be uploaded; pure. */

/** Column names as the hub reads them, and as people write them; the hub takes both. */
export const COLUMNS = {
  name: '名称',
  org_id: '所属组织',
  source_url: '主码流地址',
  sub_source_url: '子码流地址',
  gb_code: '国标编码',
  address: '安装地址',
  retention_days: '保存天数',
} as const
export type Column = keyof typeof COLUMNS
export const MAX_BYTES = 5 * 1024 * 1024

/** With a byte order mark, without which the usual spreadsheet program shows Chinese as noise. */
export function templateCsv(orgId: string, isChinese: boolean): string {
  const url = (channel: number) => `rtsp://admin:password@10.8.0.20:554/Streaming/Channels/${channel}`
  const heading = isChinese ? Object.values(COLUMNS) : Object.keys(COLUMNS)
  const sample = ['村口卡口', orgId, url(101), url(102), '', '主路与村道交汇处', '30']
  return `\uFEFF${heading.join(',')}\r\n${sample.join(',')}\r\n`
}

/** Why a file cannot be uploaded, as a message key; null when it can. */
export function refusal(file: { name: string; size: number }): 'import.type' | 'import.tooBig' | null {
  if (!/\.(csv|xlsx)$/i.test(file.name)) return 'import.type'
  return file.size > MAX_BYTES ? 'import.tooBig' : null
}
