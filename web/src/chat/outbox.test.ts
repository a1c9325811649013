import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from '../api';
import { Outbox } from './outbox';

const network = new ApiError({ status: 0, code: 'NETWORK', message: '' });
const refusal = new ApiError({ status: 403, code: 'INSUFFICIENT_PERMISSIONS', message: '' });

let outbox: Outbox;
let stored: string[];
/** What becomes of what is sent, one after the other; then all is well. */
let failures: (ApiError | null)[];
const send = vi.fn(async (chat: string, text: string, clientMessageId: string) => {
  const failure = failures.shift();
  if (failure) throw failure;
  stored.push(`${chat} ${text}`);
  const seq = stored.length;
  const sender = { id: 'me', name: 'Me' };
  return { id: `${seq}`, chatroomId: chat, sender, message: text, timestamp: '', seq, clientMessageId };
});

beforeEach(() => {
  vi.useFakeTimers();
  send.mockClear();
  [stored, failures] = [[], []];
  outbox = new Outbox({ send }, 'me');
});
afterEach(() => {
  outbox.dispose();
  vi.useRealTimers();
});

const settled = () => vi.advanceTimersByTimeAsync(0);
const waiting = (chat: string) =>
  outbox.of(chat).map(({ draft, state }) => `${draft.text} ${draft.waits ? 'waits' : state}`);

test('nothing overtakes what was said before it and waits', async () => {
  failures = [network];
  outbox.send('lobby', 'one');
  await settled();
  outbox.send('lobby', 'two');
  outbox.send('other', 'hello');
  await settled();
  expect(stored).toEqual(['other hello']);
  expect(waiting('lobby')).toEqual(['one waits', 'two waits']);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(stored).toEqual(['other hello', 'lobby one', 'lobby two']);
});

test('what was said while the first is tried again waits for it too', async () => {
  failures = [network, network];
  outbox.send('lobby', 'one');
  outbox.send('lobby', 'two');
  await settled();
  await vi.advanceTimersByTimeAsync(5_000);
  outbox.send('lobby', 'three');
  await settled();
  expect(waiting('lobby')).toEqual(['one waits', 'two waits', 'three waits']);
  expect(send.mock.calls.map(([, text]) => text)).toEqual(['one', 'one']);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(stored).toEqual(['lobby one', 'lobby two', 'lobby three']);
});

test('whoever tries one again that waits for another tries both, in their order', async () => {
  failures = [network];
  outbox.send('lobby', 'one');
  outbox.send('lobby', 'two');
  await settled();
  outbox.retry(outbox.of('lobby').at(-1)?.key ?? '');
  await settled();
  expect(stored).toEqual(['lobby one', 'lobby two']);
});

test('what was refused or discarded holds nothing up', async () => {
  failures = [refusal];
  outbox.send('lobby', 'one');
  outbox.send('lobby', 'two');
  await settled();
  expect([stored, waiting('lobby')]).toEqual([['lobby two'], ['one failed']]);
  failures = [network];
  outbox.send('lobby', 'three');
  await settled();
  outbox.forget(outbox.of('lobby').at(-1)?.key ?? '');
  outbox.send('lobby', 'four');
  await settled();
  expect(stored).toEqual(['lobby two', 'lobby four']);
});
