/** 抓图: the picture on the screen as a JPEG with camera, time and viewer written under it. */
import { dateTimeOf } from '@/time/format'

const QUALITY = 0.92

export async function savePicture(video: HTMLVideoElement, camera: string, viewer: string, wallMs: number): Promise<void> {
  const { videoWidth: width, videoHeight: height } = video
  if (width === 0 || height === 0) return
  const strip = Math.max(28, Math.round(height * 0.045))
  const canvas = document.createElement('canvas')
  canvas.width = width
  canvas.height = height + strip
  const pen = canvas.getContext('2d')
  if (!pen) return
  pen.drawImage(video, 0, 0, width, height)
  pen.fillStyle = '#0b2c23'
  pen.fillRect(0, height, width, strip)
  pen.fillStyle = '#f3efe2'
  pen.font = `${Math.round(strip * 0.55)}px system-ui, "Microsoft YaHei", "Noto Sans CJK SC", sans-serif`
  pen.textBaseline = 'middle'
  pen.fillText(`${camera}   ${dateTimeOf(wallMs)}`, strip * 0.4, height + strip / 2)
  pen.textAlign = 'right'
  pen.fillText(viewer, width - strip * 0.4, height + strip / 2)
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/jpeg', QUALITY))
  if (blob) saveBlob(blob, `${camera}_${dateTimeOf(wallMs).replace(/[: ]/g, '-')}.jpg`)
}

export function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
