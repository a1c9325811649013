import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TypingNotice } from './typing';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('typing is told seldom, its end once', () => {
  const tell = vi.fn();
  const notice = new TypingNotice(tell);
  for (let key = 0; key < 20; key++) {
    notice.typed(true);
    vi.advanceTimersByTime(200);
  }
  expect(tell.mock.calls).toEqual([[true], [true]]);
  vi.advanceTimersByTime(10_000);
  notice.stop();
  expect(tell.mock.calls).toEqual([[true], [true], [false]]);
});

test('an emptied field is the end', () => {
  const tell = vi.fn();
  const notice = new TypingNotice(tell);
  notice.typed(false);
  notice.typed(true);
  notice.typed(false);
  expect(tell.mock.calls).toEqual([[true], [false]]);
});
