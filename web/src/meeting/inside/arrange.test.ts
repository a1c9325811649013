import { describe, expect, test } from 'vitest';
import { arrange, keepOrder, keyOf, type Present, promote, type Wish } from './arrange';

const person = (identity: string, more: Partial<Present> = {}): Present => ({
  identity,
  isMe: identity === 'me',
  sharing: false,
  ...more,
});
const wish = (more: Partial<Wish> = {}): Wish => ({ mode: 'grid', pinned: null, speaker: null, ...more });
const seen = (people: Present[], how: Wish) => {
  const { main, others, corner } = arrange(people, how);
  return { main: main && keyOf(main), others: others.map(keyOf), corner: corner && keyOf(corner) };
};

const [me, ann, bob, cem] = [person('me'), person('ann'), person('bob'), person('cem')];

describe('grid', () => {
  test('alone one sees oneself', () => {
    expect(seen([me], wish())).toEqual({ main: null, others: ['camera/me'], corner: null });
  });

  test('of two, the other one gets the room', () => {
    expect(seen([me, ann], wish())).toEqual({ main: 'camera/ann', others: [], corner: 'camera/me' });
  });

  test('of more, all are equal and oneself last', () => {
    expect(seen([me, ann, bob], wish()).others).toEqual(['camera/ann', 'camera/bob', 'camera/me']);
  });

  test('somebody else’s screen gets the room, whatever the layout', () => {
    const sharing = person('bob', { sharing: true });
    expect(seen([me, ann, sharing], wish())).toEqual({
      main: 'screen/bob',
      others: ['camera/ann', 'camera/bob', 'camera/me'],
      corner: null,
    });
  });

  test('the own screen is a tile among others: to see it large would be a hall of mirrors', () => {
    const sharing = person('me', { sharing: true });
    expect(seen([sharing, ann], wish())).toMatchObject({
      main: null,
      others: ['screen/me', 'camera/ann', 'camera/me'],
    });
  });
});

test('what is pinned goes before what is shared', () => {
  const sharing = person('bob', { sharing: true });
  const pinned = { identity: 'ann', source: 'camera' } as const;
  expect(seen([me, ann, sharing], wish({ pinned })).main).toBe('camera/ann');
});

test('a pin on somebody who left is no pin', () => {
  const pinned = { identity: 'gone', source: 'camera' } as const;
  expect(seen([me, ann, bob], wish({ pinned })).main).toBe(null);
});

test('the speaker gets the room, the others the strip', () => {
  expect(seen([me, ann, bob, cem], wish({ mode: 'speaker', speaker: 'bob' }))).toEqual({
    main: 'camera/bob',
    others: ['camera/ann', 'camera/cem', 'camera/me'],
    corner: null,
  });
  expect(seen([me, ann, bob], wish({ mode: 'speaker' })).main).toBe('camera/ann');
});

test('the spotlight shows one alone', () => {
  expect(seen([me, ann, bob, cem], wish({ mode: 'spotlight', speaker: 'cem' }))).toEqual({
    main: 'camera/cem',
    others: [],
    corner: 'camera/me',
  });
});

test('a speaker from another page changes places with the one who was silent longest', () => {
  const spoke = new Map([
    ['a', 30],
    ['b', 10],
    ['c', 20],
  ]);
  expect(promote(['a', 'b', 'c', 'd', 'e'], 'e', 3, spoke)).toEqual(['a', 'e', 'c', 'd', 'b']);
  const order = ['a', 'b', 'c', 'd'];
  expect(promote(order, 'b', 3, spoke)).toBe(order);
});

test('who stays keeps their place', () => {
  expect(keepOrder(['a', 'b', 'c'], ['c', 'd', 'a'])).toEqual(['a', 'c', 'd']);
  const order = ['a', 'b'];
  expect(keepOrder(order, ['b', 'a'])).toBe(order);
});
