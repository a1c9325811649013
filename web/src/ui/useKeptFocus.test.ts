import { expect, test } from 'vitest';
import { heir } from './useKeptFocus';

test('the focus of a row that is gone goes to the next, of the last one to the last', () => {
  expect([heir(['deny', 'admit'], 1), heir(['deny', 'admit'], 3), heir([], 1)]).toEqual([
    'admit',
    'admit',
    undefined,
  ]);
});
