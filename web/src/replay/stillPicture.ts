/** Keeps the last picture on the screen while a `<video>` changes its source, which would blank it. */

export function holdPicture(video: HTMLVideoElement): void {
  if (!video.videoWidth) return
  const canvas = document.createElement('canvas')
  canvas.width = video.videoWidth
  canvas.height = video.videoHeight
  canvas.getContext('2d')?.drawImage(video, 0, 0)
  video.poster = canvas.toDataURL('image/jpeg', 0.8)
}

export function releasePicture(video: HTMLVideoElement): void {
  if (video.poster) video.removeAttribute('poster')
}

/** Seconds that could be played from here without loading. */
export function aheadOf(video: HTMLVideoElement): number {
  const { buffered, currentTime } = video
  for (let n = 0; n < buffered.length; n += 1)
    if (buffered.start(n) <= currentTime + 0.1 && buffered.end(n) > currentTime) return buffered.end(n) - currentTime
  return 0
}
