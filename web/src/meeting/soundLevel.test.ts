import { expect, it } from 'vitest'
import { levelOfSamples, loudnessOf } from './soundLevel'

const tone = (peak: number) => Float32Array.from({ length: 480 }, (_, at) => peak * Math.sin((at / 48) * 2 * Math.PI))

it('tells silence from speech', () => {
  expect(levelOfSamples(new Float32Array(100))).toBe(0)
  expect(levelOfSamples([])).toBe(0)
  expect(loudnessOf(levelOfSamples(tone(0.001)))).toBe('silent')
  expect(loudnessOf(levelOfSamples(tone(0.006)))).toBe('quiet')
  expect(loudnessOf(levelOfSamples(tone(0.2)))).toBe('hearing')
  expect(levelOfSamples(tone(1))).toBe(100)
})
