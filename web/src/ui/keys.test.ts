import { expect, test } from 'vitest';
import { composes } from './keys';

test.each([
  ['Enter', { isComposing: false, keyCode: 13 }, false],
  ['Enter in the midst of a word', { isComposing: true, keyCode: 229 }, true],
  ['Enter that confirms a word in Safari', { isComposing: false, keyCode: 229 }, true],
])('%s', (_, nativeEvent, expected) => {
  expect(composes({ nativeEvent })).toBe(expected);
});
