import { expect, test, vi } from 'vitest';
import { submitting } from './submitting';

test('what a form does is done by the page, not by the browser', () => {
  const [act, preventDefault] = [vi.fn(), vi.fn()];
  submitting(act)({ preventDefault });
  expect([preventDefault.mock.calls.length, act.mock.calls.length]).toEqual([1, 1]);
});
