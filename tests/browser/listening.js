/*
 * Hears what a page of a meeting plays, as samples: every MediaStream given to an <audio> is tapped over WebAudio.
 * Put into every page by the browser tests before its own scripts run.
 */
window.listening = (() => {
  const taps = []
  let context = null

  function tap(stream) {
    context ??= new AudioContext()
    void context.resume()
    const analyser = context.createAnalyser()
    analyser.fftSize = 2048
    context.createMediaStreamSource(stream).connect(analyser)
    taps.push({ analyser, stream })
  }

  const { set, get } = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'srcObject')
  Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', {
    get,
    set(stream) {
      set.call(this, stream)
      if (this instanceof HTMLAudioElement && stream instanceof MediaStream) tap(stream)
    },
  })

  /** The loudest root mean square of any stream that plays, over some milliseconds. */
  async function rms(forMs) {
    const until = performance.now() + forMs
    let loudest = 0
    while (performance.now() < until) {
      for (const { analyser, stream } of taps) {
        if (!stream.active) continue
        const samples = new Float32Array(analyser.fftSize)
        analyser.getFloatTimeDomainData(samples)
        loudest = Math.max(loudest, Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length))
      }
      await new Promise((done) => setTimeout(done, 40))
    }
    return loudest
  }

  return { rms }
})()
