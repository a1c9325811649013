import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ChatroomsLine, type ChatroomsSocket } from './chatrooms';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A socket that does what the test says. */
function socket() {
  const listeners = new Map<string, (data?: unknown) => void>();
  const answers = vi.fn(
    async (_: string, { chatroomId }: { chatroomId: string }): Promise<unknown> => ({
      ok: true,
      chatroomId,
      seq: 7,
    }),
  );
  const it = {
    connected: false,
    active: true,
    recovered: false,
    on: (name: string, listener: (data?: unknown) => void) => listeners.set(name, listener),
    connect: vi.fn(),
    disconnect: vi.fn(),
    timeout: () => ({ emitWithAck: answers }),
    volatile: { emit: vi.fn() },
  };
  const fire = (name: string, data?: unknown) => {
    if (name === 'connect') it.connected = true;
    if (name === 'disconnect') it.connected = false;
    listeners.get(name)?.(data);
    return vi.advanceTimersByTimeAsync(0);
  };
  return { it, answers, fire };
}

async function line() {
  const { it, answers, fire } = socket();
  const tokens = { token: vi.fn(async () => 'first'), renew: vi.fn(async () => 'second') };
  let authorize: () => Promise<unknown> = async () => null;
  const line = new ChatroomsLine(tokens, async (auth) => {
    authorize = () => new Promise((resolve) => auth(resolve));
    return it as unknown as ChatroomsSocket;
  });
  await vi.advanceTimersByTimeAsync(0);
  const heard: unknown[] = [];
  line.events.on('heard', (room) => heard.push(room));
  return { line, it, answers, fire, tokens, heard, authorize: () => authorize() };
}

test('rooms are heard once there is a connection, and again after one that was not recovered', async () => {
  const { line: rooms, it, fire, heard, answers } = await line();
  rooms.hear('a');
  expect(answers).not.toHaveBeenCalled();
  await fire('connect');
  rooms.hear('b');
  await vi.advanceTimersByTimeAsync(0);
  expect(heard).toEqual([
    { chatroomId: 'a', seq: 7 },
    { chatroomId: 'b', seq: 7 },
  ]);
  await fire('disconnect');
  it.recovered = true;
  await fire('connect');
  expect(heard).toHaveLength(2);
  it.recovered = false;
  await fire('connect');
  expect(heard).toHaveLength(4);
});

test('a room that is refused is asked for no more; one that got no answer is, next time', async () => {
  const { line: rooms, fire, answers } = await line();
  const refused = vi.fn();
  rooms.events.on('refused', refused);
  answers.mockResolvedValueOnce({ ok: false, error: '', code: 'INSUFFICIENT_PERMISSIONS' });
  answers.mockRejectedValueOnce(new Error('timeout'));
  rooms.hear('a');
  rooms.hear('b');
  await fire('connect');
  expect(refused).toHaveBeenCalledWith({ chatroomId: 'a' });
  await fire('connect');
  expect(answers.mock.calls.slice(2)).toEqual([['joinRoom', { chatroomId: 'b' }]]);
});

test('where the server closed or refused, it comes back by itself, with another token if that was the reason', async () => {
  const { it, fire, tokens, authorize } = await line();
  expect(await authorize()).toEqual({ token: 'first' });
  it.active = false;
  await fire('connect_error', Object.assign(new Error(), { data: { code: 'AUTHENTICATION_REQUIRED' } }));
  await vi.advanceTimersByTimeAsync(1000);
  expect(it.connect).toHaveBeenCalledTimes(2);
  expect(await authorize()).toEqual({ token: 'second' });
  expect(tokens.renew).toHaveBeenCalledWith('first');
  await fire('disconnect');
  await vi.advanceTimersByTimeAsync(1000);
  expect(it.connect).toHaveBeenCalledTimes(3);
  expect(await authorize()).toEqual({ token: 'first' });
});

test('typing is told in rooms that are heard', async () => {
  const { line: rooms, it, fire } = await line();
  rooms.hear('a');
  rooms.typing('a', true);
  await fire('connect');
  rooms.typing('a', true);
  expect(it.volatile.emit.mock.calls).toEqual([['typing', { chatroomId: 'a', isTyping: true }]]);
});

test('closed it stays closed', async () => {
  const { line: rooms, it, fire } = await line();
  rooms.close();
  it.active = false;
  await fire('disconnect');
  await vi.advanceTimersByTimeAsync(60_000);
  expect([it.disconnect.mock.calls.length, it.connect.mock.calls.length]).toEqual([1, 1]);
});
