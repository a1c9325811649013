import { describe, expect, test } from 'vitest';
import { focus, grid, places, RULES } from './layout';

const PHONE = { width: 390, height: 640 };
const LAPTOP = { width: 1264, height: 640 };
const WIDE = { width: 1900, height: 900 };
const ROOMS = { PHONE, LAPTOP, WIDE };

const counts = Array.from({ length: 50 }, (_, index) => index + 1);

describe.each(Object.entries(ROOMS))('a grid on %s', (_, room) => {
  test.each(counts)('of %i: nothing overlaps, nothing is cut off, nobody is left out', (count) => {
    const made = grid(count, room);
    expect(made.perPage * made.pages).toBeGreaterThanOrEqual(count);
    const onPage = Math.min(count, made.perPage);
    const tiles = places(onPage, made, room);
    for (const [index, tile] of tiles.entries()) {
      expect(tile.start).toBeGreaterThanOrEqual(0);
      expect(tile.top).toBeGreaterThanOrEqual(0);
      expect(tile.start + tile.width).toBeLessThanOrEqual(room.width + 1);
      expect(tile.top + tile.height).toBeLessThanOrEqual(room.height + 1);
      expect(tile.width).toBeGreaterThanOrEqual(RULES.least.width);
      expect(tile.height).toBeGreaterThanOrEqual(RULES.least.height);
      for (const other of tiles.slice(index + 1)) {
        const apart =
          tile.start + tile.width <= other.start ||
          other.start + other.width <= tile.start ||
          tile.top + tile.height <= other.top ||
          other.top + other.height <= tile.top;
        expect(apart).toBe(true);
      }
    }
  });
});

test('the shape follows the stage', () => {
  expect(grid(1, LAPTOP)).toMatchObject({ columns: 1, rows: 1 });
  expect(grid(2, LAPTOP)).toMatchObject({ columns: 2, rows: 1 });
  expect(grid(2, PHONE)).toMatchObject({ columns: 1, rows: 2 });
  expect(grid(4, LAPTOP)).toMatchObject({ columns: 2, rows: 2 });
  expect(grid(7, LAPTOP)).toMatchObject({ columns: 3, rows: 3 });
  expect(grid(25, WIDE)).toMatchObject({ columns: 5, rows: 5, pages: 1 });
});

test('what does not fit goes to pages that are filled evenly', () => {
  expect(grid(26, WIDE)).toMatchObject({ pages: 2, perPage: 13 });
  expect(grid(50, WIDE)).toMatchObject({ pages: 2, perPage: 25 });
  const phone = grid(50, PHONE);
  expect(phone.pages).toBeGreaterThan(2);
  expect(phone.columns).toBe(2);
});

test('a last row that is not full is in the middle', () => {
  const made = grid(5, LAPTOP);
  const tiles = places(5, made, LAPTOP);
  const last = tiles.filter((tile) => tile.top === tiles.at(-1)?.top);
  const ends = [last[0]?.start ?? 0, LAPTOP.width - (last.at(-1)?.start ?? 0) - made.tile.width];
  expect(Math.abs((ends[0] ?? 0) - (ends[1] ?? 0))).toBeLessThanOrEqual(1);
});

test('a stage without size has a grid still', () => {
  expect(grid(3, { width: 0, height: 0 })).toMatchObject({ pages: 3, perPage: 1 });
  expect(grid(0, LAPTOP)).toMatchObject({ pages: 1 });
});

test('beside the main picture the strip is where there is room', () => {
  expect(focus(LAPTOP, true).strip).toBe('column');
  expect(focus(PHONE, true).strip).toBe('row');
  expect(focus(LAPTOP, false)).toMatchObject({ strip: null, main: { ...LAPTOP } });
});
