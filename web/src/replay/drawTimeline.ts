/** Paints the day timeline; all numbers come from `timeline`, all colours from the page. */
import { timeOf } from '@/time/format'
import { tickStepMs, ticks, xOf, type Bar, type GapBar, type View } from './timeline'

export interface TimelineScene {
  view: View
  day: View
  spans: readonly Bar[]
  gaps: readonly GapBar[]
  nowMs: number
  playMs: number | null
  hoverMs: number | null
  selection: { startMs: number | null; endMs: number | null }
}

export interface TimelineInk {
  record: string
  gap: string
  gapLine: string
  ground: string
  text: string
  tick: string
  head: string
  select: string
  font: string
  rem: number
}

interface Board {
  pen: CanvasRenderingContext2D
  width: number
  height: number
  scene: TimelineScene
  ink: TimelineInk
  top: number
  bottom: number
}

export function drawTimeline(pen: CanvasRenderingContext2D, width: number, height: number, scene: TimelineScene, ink: TimelineInk): void {
  const board: Board = { pen, width, height, scene, ink, top: ink.rem * 1.7, bottom: height - ink.rem * 0.25 }
  pen.clearRect(0, 0, width, height)
  pen.fillStyle = ink.ground
  pen.fillRect(0, board.top, width, board.bottom - board.top)
  drawGaps(board)
  pen.fillStyle = ink.record
  for (const span of scene.spans) fillBar(board, span)
  drawSelection(board)
  drawTicks(board)
  if (scene.hoverMs !== null) drawLine(board, scene.hoverMs, ink.tick, 1)
  drawHead(board)
}

function fillBar({ pen, width, scene, top, bottom }: Board, bar: Bar): void {
  const left = Math.max(0, xOf(scene.view, width, bar.startMs))
  const right = Math.min(width, xOf(scene.view, width, bar.endMs))
  if (right > left) pen.fillRect(left, top, Math.max(right - left, 1), bottom - top)
}

function drawGaps(board: Board): void {
  const { pen, width, scene, ink, top, bottom } = board
  pen.fillStyle = ink.gap
  for (const gap of scene.gaps) fillBar(board, gap)
  pen.strokeStyle = ink.gapLine
  pen.lineWidth = 1
  for (const gap of scene.gaps) {
    const left = Math.max(0, xOf(scene.view, width, gap.startMs))
    const right = Math.min(width, xOf(scene.view, width, gap.endMs))
    if (right - left < 3) continue
    pen.save()
    pen.beginPath()
    pen.rect(left, top, right - left, bottom - top)
    pen.clip()
    pen.beginPath()
    for (let x = left - (bottom - top); x < right; x += 8) {
      pen.moveTo(x, bottom)
      pen.lineTo(x + (bottom - top), top)
    }
    pen.stroke()
    pen.restore()
  }
}

function drawSelection(board: Board): void {
  const { pen, scene, ink } = board
  const { startMs, endMs } = scene.selection
  if (startMs !== null && endMs !== null) {
    pen.save()
    pen.globalAlpha = 0.45
    pen.fillStyle = ink.select
    fillBar(board, { startMs, endMs })
    pen.restore()
  }
  for (const edge of [startMs, endMs]) if (edge !== null) drawLine(board, edge, ink.select, 3)
}

function drawTicks({ pen, width, scene, ink, top }: Board): void {
  const step = tickStepMs(scene.view, width, ink.rem * 4.6)
  pen.fillStyle = ink.text
  pen.strokeStyle = ink.tick
  pen.lineWidth = 1
  pen.font = `${ink.rem * 0.875}px ${ink.font}`
  pen.textBaseline = 'middle'
  for (const mark of ticks(scene.view, scene.day, step)) {
    const x = Math.round(xOf(scene.view, width, mark)) + 0.5
    pen.textAlign = x < 20 ? 'left' : x > width - 24 ? 'right' : 'center'
    const label = mark === scene.day.endMs ? '24:00' : timeOf(mark).slice(0, step < 60_000 ? 8 : 5)
    pen.fillText(label, Math.min(Math.max(x, 1), width - 1), top * 0.48)
    pen.beginPath()
    pen.moveTo(x, top - 4)
    pen.lineTo(x, top + 6)
    pen.stroke()
  }
}

function drawLine({ pen, width, scene, top, bottom }: Board, wallMs: number, colour: string, thick: number): void {
  const x = xOf(scene.view, width, wallMs)
  if (x < 0 || x > width) return
  pen.fillStyle = colour
  pen.fillRect(Math.round(x - thick / 2), top, thick, bottom - top)
}

function drawHead(board: Board): void {
  const { pen, width, scene, ink, top } = board
  if (scene.playMs === null) return
  const x = xOf(scene.view, width, scene.playMs)
  if (x < -1 || x > width + 1) return
  drawLine(board, scene.playMs, ink.head, 3)
  pen.fillStyle = ink.head
  pen.beginPath()
  pen.moveTo(x - 7, top - 7)
  pen.lineTo(x + 7, top - 7)
  pen.lineTo(x, top + 4)
  pen.fill()
}
