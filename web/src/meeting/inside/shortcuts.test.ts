import { expect, test } from 'vitest';
import { isPushToTalk, type Press, SHORTCUTS, shortcutOf } from './shortcuts';

/** A page with an element that matches these selectors. */
const within = (...selectors: string[]) => ({
  closest: (selector: string) => (selector.split(', ').some((one) => selectors.includes(one)) ? {} : null),
});
const press = (key: string, more: Partial<Press> = {}): Press & { code: string } => ({
  key,
  code: key === ' ' ? 'Space' : key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  repeat: false,
  target: within(),
  ...more,
});

test('each key is for one thing', () => {
  expect(new Set(SHORTCUTS.map(({ key }) => key)).size).toBe(SHORTCUTS.length);
});

test('letters count with and without shift lock', () => {
  expect(shortcutOf(press('m'))).toBe('microphone');
  expect(shortcutOf(press('M'))).toBe('microphone');
  expect(shortcutOf(press('?'))).toBe('help');
  expect(shortcutOf(press('x'))).toBe(null);
});

test('the browser’s own shortcuts stay its own', () => {
  expect(shortcutOf(press('p', { ctrlKey: true }))).toBe(null);
  expect(shortcutOf(press('c', { metaKey: true }))).toBe(null);
});

test('a key held down counts once', () => {
  expect(shortcutOf(press('m', { repeat: true }))).toBe(null);
});

test.each(['input', 'textarea', '[role="menu"]', '[role="dialog"]'])('in %s letters are letters', (where) => {
  expect(shortcutOf(press('m', { target: within(where) }))).toBe(null);
  expect(isPushToTalk(press(' ', { target: within(where) }))).toBe(false);
});

test('space talks, but not on a button, which it presses', () => {
  expect(isPushToTalk(press(' '))).toBe(true);
  expect(isPushToTalk(press(' ', { target: within('button') }))).toBe(false);
});
