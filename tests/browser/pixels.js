/*
 * Reads camera number and time out of the pixels of a <video>, as painted by streams/simulator/timecode.py.
 * Put into every page by the browser tests before its own scripts run.
 */
window.timecode = (() => {
  const CELLS = 40
  const MARKER = 4
  const NUMBER_BITS = 20
  const CRC_BITS = 8
  const MIN_CONTRAST = 60
  const canvas = document.createElement('canvas')
  const pen = canvas.getContext('2d', { willReadFrequently: true })

  function crc8(number) {
    let crc = 0
    for (const shift of [16, 8, 0]) {
      crc ^= (number >> shift) & 0xff
      for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : crc << 1
    }
    return crc
  }

  function cellMean(pixels, width, top, rows, index) {
    const edge = (n) => Math.floor((Math.floor(width / 2) * n) / CELLS)
    const inset = (edge(index + 1) - edge(index)) >> 2
    let sum = 0
    let count = 0
    for (let y = top + (rows >> 2); y < top + rows - (rows >> 2); y += 1)
      for (let x = edge(index) + inset; x < edge(index + 1) - inset; x += 1) {
        const at = (y * width + x) * 4
        sum += 0.299 * pixels[at] + 0.587 * pixels[at + 1] + 0.114 * pixels[at + 2]
        count += 1
      }
    return sum / count
  }

  function readStrip(pixels, width, top, rows) {
    const values = []
    for (let index = 1; index <= MARKER + NUMBER_BITS + CRC_BITS; index += 1)
      values.push(cellMean(pixels, width, top, rows, index))
    const light = (values[0] + values[2]) / 2
    const dark = (values[1] + values[3]) / 2
    if (light - dark < MIN_CONTRAST) return null
    const bits = values.slice(MARKER).map((value) => (value > (light + dark) / 2 ? 1 : 0))
    const numberOf = (list) => list.reduce((sum, bit) => sum * 2 + bit, 0)
    const number = numberOf(bits.slice(0, NUMBER_BITS))
    return crc8(number) === numberOf(bits.slice(NUMBER_BITS)) ? number : null
  }

  /** What the picture on the screen says, or null when it has no readable code. */
  function read(video) {
    const { videoWidth: width, videoHeight: height } = video
    if (!width) return null
    const rows = height >= 720 ? 32 : 16
    canvas.width = width
    canvas.height = 2 * rows
    pen.drawImage(video, 0, 0, width, 2 * rows, 0, 0, width, 2 * rows)
    const { data } = pen.getImageData(0, 0, width, 2 * rows)
    const camera = readStrip(data, width, 0, rows)
    const timeMs = readStrip(data, width, rows, rows)
    return camera === null || timeMs === null ? null : { camera, time_ms: timeMs, width, height, wall_ms: Date.now() }
  }

  /** The first picture shown after the next click that makes the video seek, and how long it took from the click. */
  function afterSeek(video) {
    return new Promise((done) => {
      let clicked = null
      let sought = false
      let held = []
      const onClick = () => {
        clicked = performance.now()
        held = Array.from({ length: video.buffered.length }, (_, n) => [video.buffered.start(n), video.buffered.end(n)])
      }
      window.addEventListener('pointerup', onClick, { capture: true, once: true })
      video.addEventListener('seeking', () => (sought = clicked !== null))
      const onFrame = (_, frame) => {
        const code = sought && !video.seeking && Math.abs(frame.mediaTime - video.currentTime) < 0.5 ? read(video) : null
        const wasHeld = held.some(([from, to]) => frame.mediaTime >= from && frame.mediaTime < to)
        if (code) done({ ...code, took_ms: performance.now() - clicked, was_buffered: wasHeld })
        else video.requestVideoFrameCallback(onFrame)
      }
      video.requestVideoFrameCallback(onFrame)
    })
  }

  return { read, afterSeek }
})()
