import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ApiError, type ErrorCode } from '../api/errors';
import { backoff } from './backoff';
import { Line, type Socket } from './line';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const problem = (status: number, code: ErrorCode) => new ApiError({ status, code, message: '' });

/** A socket that does what the test says. */
class FakeSocket implements Socket {
  readyState: Socket['readyState'] = 0;
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;
  readonly sent: unknown[] = [];
  closed: number | undefined;

  send = (frame: unknown) => void this.sent.push(JSON.parse(String(frame)));
  close = (code?: number) => {
    this.readyState = 3;
    this.closed = code;
  };
  opens() {
    this.readyState = 1;
    this.onopen?.call(this as never, {} as Event);
  }
  says(frame: object) {
    this.onmessage?.call(this as never, { data: JSON.stringify(frame) } as MessageEvent);
  }
  closes(code: number) {
    this.readyState = 3;
    this.onclose?.call(this as never, { code, reason: '' } as CloseEvent);
  }
}

async function line(address: () => Promise<string> = async () => 'ws://x', refused?: () => Promise<void>) {
  const sockets: FakeSocket[] = [];
  const frames: unknown[] = [];
  const onOpen = vi.fn();
  const connect = () => {
    const socket = new FakeSocket();
    sockets.push(socket);
    return socket;
  };
  const onFrame = (frame: unknown) => frames.push(frame);
  const line = new Line({ address, onOpen, onFrame, connect, ...(refused ? { refused } : {}) });
  await vi.advanceTimersByTimeAsync(0);
  const last = () => {
    const socket = sockets.at(-1);
    if (!socket) throw new Error('no socket');
    return socket;
  };
  return { line, sockets, last, frames, onOpen };
}

test('frames go both ways while it is open', async () => {
  const { line: it, last, frames } = await line();
  expect(it.send({ type: 'early' })).toBe(false);
  last().opens();
  last().says({ type: 'hello' });
  expect(it.send({ type: 'hi' })).toBe(true);
  expect([frames, last().sent]).toEqual([[{ type: 'hello' }], [{ type: 'hi' }]]);
});

test('a lost connection comes back, and says so', async () => {
  const { line: it, last, sockets, onOpen } = await line();
  last().opens();
  last().closes(1006);
  expect(it.state.get()).toMatchObject({ status: 'waiting', attempt: 1 });
  await vi.advanceTimersByTimeAsync(1000);
  last().opens();
  expect([sockets.length, it.state.get().status, onOpen.mock.calls.length]).toEqual([2, 'open', 2]);
});

test.each([1000, 4401, 4403])('after code %i it stays closed', async (code) => {
  const { line: it, last, sockets } = await line();
  last().opens();
  last().closes(code);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([it.state.get(), sockets.length]).toEqual([{ status: 'closed', code, reason: '' }, 1]);
});

test('an address that is refused for good ends it; one that cannot be had now does not', async () => {
  const refused = await line(() => Promise.reject(problem(403, 'MEETING_LOCKED')));
  expect(refused.line.state.get()).toEqual({ status: 'closed', code: 403, reason: 'MEETING_LOCKED' });
  const later = await line(() => Promise.reject(problem(0, 'NETWORK')));
  expect(later.line.state.get().status).toBe('waiting');
});

test('a connection that is refused for good ends it, with the reason', async () => {
  const why = problem(400, 'MEETING_ENDED');
  const { line: it, last, sockets } = await line(undefined, () => Promise.reject(why));
  last().closes(1006);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(it.state.get()).toEqual({ status: 'closed', code: 400, reason: 'MEETING_ENDED' });
  expect(sockets.length).toBe(1);
});

test.each([
  ['the door would open', () => Promise.resolve()],
  ['there is no network', () => Promise.reject(problem(0, 'NETWORK'))],
  ['the server fails', () => Promise.reject(problem(500, 'INTERNAL_ERROR'))],
  ['the server is busy', () => Promise.reject(problem(429, 'RATE_LIMIT_EXCEEDED'))],
  ['it collides with another', () => Promise.reject(problem(409, 'CONFLICT'))],
  ['somebody else answers', () => Promise.reject(problem(200, 'UNREADABLE'))],
  ['the question itself breaks', () => Promise.reject(new Error())],
])('a connection that fails is tried again when %s', async (_, refused) => {
  const { line: it, last, sockets } = await line(undefined, refused);
  last().closes(1006);
  await vi.advanceTimersByTimeAsync(0);
  expect(it.state.get()).toMatchObject({ status: 'waiting', attempt: 1 });
  await vi.advanceTimersByTimeAsync(1000);
  last().opens();
  expect([sockets.length, it.state.get().status]).toEqual([2, 'open']);
});

test('why a connection was lost that had opened is not asked, why it does not come back is', async () => {
  const refused = vi.fn(async () => {});
  const { last } = await line(undefined, refused);
  last().opens();
  last().closes(1006);
  await vi.advanceTimersByTimeAsync(1000);
  expect(refused).not.toHaveBeenCalled();
  last().closes(1006);
  expect(refused).toHaveBeenCalledTimes(1);
});

describe('an answer that is long in coming', () => {
  async function late() {
    let refuse = (): void => {};
    const refused = () =>
      new Promise<void>((_, no) => (refuse = () => no(problem(403, 'INSUFFICIENT_PERMISSIONS'))));
    const made = await line(undefined, refused);
    made.last().closes(1006);
    await vi.advanceTimersByTimeAsync(1000);
    return { ...made, refuse: () => refuse() };
  }

  test('ends a try that is under way', async () => {
    const { line: it, last, sockets, refuse } = await late();
    refuse();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(it.state.get()).toMatchObject({ status: 'closed', code: 403 });
    expect([sockets.length, last().closed]).toEqual([2, 1000]);
  });

  test('is out of date when the connection stands', async () => {
    const { line: it, last, refuse } = await late();
    last().opens();
    refuse();
    await vi.advanceTimersByTimeAsync(0);
    expect(it.state.get().status).toBe('open');
  });
});

test('a connection that gives no sign of life is given up', async () => {
  const { line: it, last } = await line();
  last().opens();
  await vi.advanceTimersByTimeAsync(15_000);
  expect(last().sent).toEqual([{ type: 'ping' }]);
  last().says({ type: 'pong' });
  await vi.advanceTimersByTimeAsync(15_000);
  expect(it.state.get().status).toBe('open');
  await vi.advanceTimersByTimeAsync(8_000);
  expect([last().closed, it.state.get().status]).toEqual([4000, 'waiting']);
});

describe('a connection that does not open', () => {
  const online = new EventTarget();
  beforeEach(() => {
    vi.stubGlobal('addEventListener', online.addEventListener.bind(online));
    vi.stubGlobal('removeEventListener', online.removeEventListener.bind(online));
  });
  afterEach(() => void vi.unstubAllGlobals());
  const hurry = () => online.dispatchEvent(new Event('online'));

  test('is given up, and tried again', async () => {
    const { line: it, last, sockets } = await line();
    await vi.advanceTimersByTimeAsync(10_000);
    expect([last().closed, it.state.get().status]).toEqual([4000, 'waiting']);
    await vi.advanceTimersByTimeAsync(1000);
    last().opens();
    // One that opened is not given up for having taken its time.
    await vi.advanceTimersByTimeAsync(14_000);
    expect([sockets.length, it.state.get().status, last().closed]).toEqual([2, 'open', undefined]);
    it.close();
  });

  test('gives way to another where the network is back, if it had the time', async () => {
    const { line: it, sockets } = await line();
    await vi.advanceTimersByTimeAsync(1000);
    hurry();
    expect(sockets[0]?.closed).toBeUndefined();
    await vi.advanceTimersByTimeAsync(2000);
    hurry();
    await vi.advanceTimersByTimeAsync(0);
    expect([sockets.length, sockets[0]?.closed, it.state.get().status]).toEqual([2, 4000, 'connecting']);
    it.close();
  });

  test('is not missed while its address is asked for', async () => {
    const { line: it } = await line(() => new Promise(() => {}));
    await vi.advanceTimersByTimeAsync(60_000);
    hurry();
    expect(it.state.get().status).toBe('connecting');
    it.close();
  });
});

test('closed by its owner it stays closed', async () => {
  const { line: it, last, sockets } = await line();
  last().opens();
  it.close();
  last().closes(1000);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([it.state.get().status, sockets.length]).toEqual(['closed', 1]);
});

test('waits grow, to a limit, and are never quite the same', () => {
  const waits = [1, 2, 3, 20].map((attempt) => [backoff(attempt, () => 0), backoff(attempt, () => 1)]);
  expect(waits).toEqual([
    [250, 500],
    [500, 1000],
    [1000, 2000],
    [10_000, 20_000],
  ]);
});
