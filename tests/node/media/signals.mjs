// What the tests publish and how they know it again: pictures that count, and a tone. harness/media.py has the same in
// Python.

/** A publisher's lit squares have its colour. */
export const COLOURS = { red: [255, 40, 40], green: [40, 255, 40], blue: [40, 40, 255], yellow: [255, 255, 40] };

const COLUMNS = 8;
const LIT = 140;
const DARK = 90;

/**
 * Picture number `count` (0 to 255): its bits in the upper row of squares, most significant first, and their opposites in
 * the lower row, so that a torn or smeared picture is known. `fill(x, y, width, height, rgb)` paints a rectangle.
 */
export function paint(fill, width, height, count, colour) {
  for (let column = 0; column < COLUMNS; column++) {
    const bit = (count >> (COLUMNS - 1 - column)) & 1;
    const [left, right] = [column, column + 1].map((edge) => Math.round((edge * width) / COLUMNS));
    for (const row of [0, 1]) {
      const top = Math.round((row * height) / 2);
      fill(left, top, right - left, height - top, bit !== row ? COLOURS[colour] : [0, 0, 0]);
    }
  }
}

/**
 * The number and the colour of a picture: `[count, colour]`, or `[null, null]` for anything else. `pixel(x, y)` answers
 * with the RGB at a place between 0 and 1.
 */
export function read(pixel) {
  let count = 0;
  const sum = [0, 0, 0];
  for (let column = 0; column < COLUMNS; column++) {
    const squares = [0.25, 0.75].map((y) => pixel((column + 0.5) / COLUMNS, y));
    const [upper, lower] = squares.map((rgb) => Math.max(...rgb));
    const bit = upper > lower;
    if (Math.max(upper, lower) < LIT || Math.min(upper, lower) > DARK) return [null, null];
    count = count * 2 + Number(bit);
    squares[bit ? 0 : 1].forEach((value, channel) => (sum[channel] += value / COLUMNS));
  }
  const isNear = ([, rgb]) => rgb.every((value, channel) => value > 128 === sum[channel] > 128);
  return [count, Object.entries(COLOURS).find(isNear)?.[0] ?? null];
}

/** A tenth of a second, so that every multiple of 10 Hz has whole periods. */
export const TONE_SAMPLES = 4800;
export const RATE = 48_000;

/** The pitch in Hz of `TONE_SAMPLES` samples, if most of their energy is in one tone (Goertzel's algorithm); else null. */
export function pitch(samples) {
  const energy = samples.reduce((sum, sample) => sum + sample * sample, 0);
  if (energy / samples.length < 1e-5) return null;
  for (let hz = 100; hz <= 2000; hz += 10) {
    const factor = 2 * Math.cos((2 * Math.PI * hz) / RATE);
    let [before, last] = [0, 0];
    for (const sample of samples) [before, last] = [last, sample + factor * last - before];
    const power = before * before + last * last - factor * before * last;
    if ((2 * power) / (samples.length * energy) > 0.5) return hz;
  }
  return null;
}

/** The last pictures of every track, by `identity/source`. */
export class Album {
  #pictures = {};

  add(track, picture) {
    const pictures = (this.#pictures[track] ??= []);
    pictures.push(picture);
    if (pictures.length > 100) pictures.shift();
  }

  all() {
    return this.#pictures;
  }

  forget() {
    this.#pictures = {};
  }
}
