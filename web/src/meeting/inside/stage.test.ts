import { atom } from 'nanostores';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Person } from './people';
import { compose, Stage } from './stage';
import { person } from './testing';

const ROOM = { width: 1200, height: 640 };
let $people: ReturnType<typeof atom<readonly Person[]>>;
let stage: Stage;
let clock = 0;

beforeEach(() => {
  vi.useFakeTimers();
  clock = 0;
  $people = atom<readonly Person[]>([person('me'), person('ann'), person('bob'), person('cem')]);
  stage = new Stage($people, () => clock);
  stage.$mode.set('grid');
  stage.resize(ROOM);
});
afterEach(() => {
  stage.dispose();
  vi.useRealTimers();
});

const speak = (identity: string) => {
  clock += 1000;
  $people.set($people.get().map((one) => ({ ...one, speaking: one.identity === identity })));
};
const keys = () => stage.$scene.get().tiles.map(({ key, kind }) => `${kind} ${key}`);

test('somebody who speaks moves nothing in the grid', () => {
  const before = stage.$scene.get();
  speak('bob');
  expect(stage.$scene.get()).toBe(before);
});

test('in the speaker layout whoever speaks for a while gets the room', () => {
  stage.setMode('speaker');
  speak('bob');
  expect(keys()[0]).toBe('main camera/bob');
  speak('cem');
  vi.advanceTimersByTime(500);
  speak('bob');
  vi.advanceTimersByTime(5000);
  expect(keys()[0]).toBe('main camera/bob');
  speak('cem');
  vi.advanceTimersByTime(1500);
  expect(keys()[0]).toBe('main camera/cem');
});

test('oneself is never the speaker', () => {
  stage.setMode('speaker');
  speak('me');
  vi.advanceTimersByTime(5000);
  expect(stage.$speaker.get()).toBe(null);
});

test('a pin stays until it is taken away', () => {
  stage.pinThis({ identity: 'cem', source: 'camera' });
  expect(keys()[0]).toBe('main camera/cem');
  speak('bob');
  expect(keys()[0]).toBe('main camera/cem');
  stage.pinThis({ identity: 'cem', source: 'camera' });
  expect(keys().every((key) => key.startsWith('even'))).toBe(true);
});

test('pages turn, end at the ends, and hold everybody once', () => {
  $people.set([person('me'), ...Array.from({ length: 49 }, (_, index) => person(`p${index}`))]);
  const { pages } = stage.$scene.get();
  expect(pages).toBeGreaterThan(1);
  const seen = new Set<string>();
  for (let page = 0; page < pages; page++) {
    for (const { key } of stage.$scene.get().tiles) {
      expect(seen.has(key)).toBe(false);
      seen.add(key);
    }
    stage.turn(1);
  }
  expect(seen.size).toBe(50);
  expect(stage.$scene.get().page).toBe(pages - 1);
  stage.turn(-100);
  expect(stage.$scene.get().page).toBe(0);
});

test('who speaks on another page comes to the first, for who was silent longest', () => {
  $people.set([person('me'), ...Array.from({ length: 49 }, (_, index) => person(`p${index}`))]);
  const onFirst = () => stage.$scene.get().tiles.map(({ tile }) => tile.identity);
  const count = onFirst().length;
  speak('p0');
  expect(onFirst()).not.toContain('p48');
  speak('p48');
  vi.advanceTimersByTime(1500);
  expect(onFirst()).toContain('p48');
  expect(onFirst()).toContain('p0');
  expect(onFirst()).toHaveLength(count);
});

test('the strip has pages too, and stays on the stage', () => {
  const others = Array.from({ length: 20 }, (_, index) => ({
    identity: `p${index}`,
    source: 'camera' as const,
  }));
  const arrangement = { main: { identity: 'x', source: 'screen' as const }, others, corner: null };
  for (const room of [ROOM, { width: 390, height: 640 }]) {
    const { tiles, pages } = compose(arrangement, room, 0);
    expect(pages).toBeGreaterThan(1);
    for (const { place } of tiles) {
      expect(place.start).toBeGreaterThanOrEqual(0);
      expect(place.start + place.width).toBeLessThanOrEqual(room.width);
      expect(place.top + place.height).toBeLessThanOrEqual(room.height);
    }
  }
});
