import { expect, test } from 'vitest';
import { loudness } from './sound';

const sine = (amplitude: number) =>
  Float32Array.from({ length: 512 }, (_, index) => amplitude * Math.sin((index * Math.PI) / 16));

test('silence is nothing, a shout is all, speech is between', () => {
  expect(loudness(new Float32Array(512))).toBe(0);
  expect(loudness(sine(1))).toBe(1);
  expect(loudness(sine(0.05))).toBeGreaterThan(0.4);
  expect(loudness(sine(0.05))).toBeLessThan(0.8);
});
