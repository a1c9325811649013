import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from '../api/errors';
import { MeetingLine } from './meeting';

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('location', new URL('https://convo.test/meeting/123-456-789'));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a meeting that ended while one was away says so by HTTP, to the token that was refused', async () => {
  const sockets: WebSocket[] = [];
  const connect = (url: string) => {
    const socket = { url, close: () => {} } as WebSocket;
    sockets.push(socket);
    return socket;
  };
  const ended = new ApiError({ status: 400, code: 'MEETING_ENDED', message: '' });
  const mayAttend = vi.fn(() => Promise.reject(ended));
  const line = new MeetingLine({ mayAttend }, '123-456-789', async () => 'secret', undefined, connect);
  await vi.advanceTimersByTimeAsync(0);
  expect(sockets[0]?.url).toBe('wss://convo.test/ws/meetings/123-456-789?token=secret');
  sockets[0]?.onclose?.({ code: 1006, reason: '' } as CloseEvent);
  await vi.advanceTimersByTimeAsync(0);
  expect(mayAttend).toHaveBeenCalledWith('123-456-789', 'secret');
  expect(line.state.get()).toEqual({ status: 'closed', code: 400, reason: 'MEETING_ENDED' });
});
