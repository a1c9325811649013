import type * as LiveKit from 'livekit-client';
import { DisconnectReason, RoomEvent } from 'livekit-client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Media } from './media';

/** A LiveKit room without a server: the test says whether it is let in, and what happens to it. */
class FakeRoom {
  readonly remoteParticipants = new Map();
  readonly canPlaybackAudio = true;
  readonly localParticipant = {
    identity: 'me',
    isLocal: true,
    getTrackPublication: () => undefined,
    setMicrophoneEnabled: vi.fn(async () => {}),
  };
  readonly disconnect = vi.fn(async () => this.answer(new Error('ended')));
  /** Lets it in, or fails. */
  answer = (_problem?: Error): void => {};
  private readonly listeners = new Map<string, ((...args: unknown[]) => void)[]>();

  constructor() {
    rooms.push(this);
  }

  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.answer = (problem) => (problem ? reject(problem) : resolve());
    });
  }

  on(event: string, act: (...args: unknown[]) => void): this {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), act]);
    return this;
  }

  say(event: RoomEvent, ...args: unknown[]): void {
    for (const act of this.listeners.get(event) ?? []) act(...args);
  }
}

vi.doMock('livekit-client', async (original) => ({ ...(await original<typeof LiveKit>()), Room: FakeRoom }));

let rooms: FakeRoom[] = [];
let browser: EventTarget;
let media: Media;
let expelled: string[];

beforeEach(async () => {
  vi.useFakeTimers();
  browser = new EventTarget();
  vi.stubGlobal('addEventListener', browser.addEventListener.bind(browser));
  vi.stubGlobal('removeEventListener', browser.removeEventListener.bind(browser));
  [rooms, expelled] = [[], []];
  const devices = { camera: null, microphone: null, speaker: null, blur: false };
  media = new Media({ url: 'ws://x', token: () => 'token', devices, microphone: false, camera: false });
  media.events.on('expelled', (why) => expelled.push(why));
  await vi.waitFor(() => expect(rooms).toHaveLength(1));
});
afterEach(() => {
  media.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settle = () => vi.advanceTimersByTimeAsync(0);
const online = async () => {
  browser.dispatchEvent(new Event('online'));
  await settle();
};
const answer = async (room: FakeRoom | undefined, problem?: Error) => {
  room?.answer(problem);
  await settle();
};
/** Longer than any try waits, in milliseconds. */
const LONG = 60_000;

test('a try that waits is hurried by the network, once', async () => {
  await answer(rooms[0], new Error('nobody answers'));
  await online();
  expect(rooms).toHaveLength(2);
  await online();
  await vi.advanceTimersByTimeAsync(LONG);
  expect(rooms).toHaveLength(2);
  await answer(rooms[1]);
  expect(media.$state.get()).toBe('connected');
});

test('the network makes no second room while the first comes back', async () => {
  await answer(rooms[0], new Error('nobody answers'));
  await vi.advanceTimersByTimeAsync(LONG);
  await answer(rooms[1]);
  rooms[1]?.say(RoomEvent.Reconnecting);
  await online();
  expect(rooms).toHaveLength(2);
  rooms[1]?.say(RoomEvent.Reconnected);
  expect(media.$state.get()).toBe('connected');
});

test('nor while a second one is being opened', async () => {
  await answer(rooms[0]);
  rooms[0]?.say(RoomEvent.Disconnected, DisconnectReason.SIGNAL_CLOSE);
  await vi.advanceTimersByTimeAsync(LONG);
  expect([rooms.length, media.$state.get()]).toEqual([2, 'reconnecting']);
  await online();
  expect(rooms).toHaveLength(2);
});

test('a new room ends the one before, which is not heard any more', async () => {
  await answer(rooms[0]);
  rooms[0]?.say(RoomEvent.Disconnected, DisconnectReason.SIGNAL_CLOSE);
  await vi.advanceTimersByTimeAsync(LONG);
  expect(rooms[0]?.disconnect).toHaveBeenCalledTimes(1);
  await answer(rooms[1]);
  rooms[0]?.say(RoomEvent.Reconnecting);
  rooms[0]?.say(RoomEvent.Disconnected, DisconnectReason.DUPLICATE_IDENTITY);
  expect([media.$state.get(), expelled]).toEqual(['connected', []]);
});

test.each([
  ['connected', async () => answer(rooms[0])],
  ['opened', async () => {}],
  ['waited for', async () => answer(rooms[0], new Error('nobody answers'))],
])('closed while a room is %s, it is left for good', async (_, before) => {
  await before();
  media.close();
  await settle();
  expect(rooms[0]?.disconnect).toHaveBeenCalledTimes(1);
  await online();
  await vi.advanceTimersByTimeAsync(LONG);
  rooms[0]?.say(RoomEvent.Reconnecting);
  expect([rooms.length, media.$state.get(), media.$people.get().size]).toEqual([1, 'closed', 0]);
});

test('who is in twice is told, and does not come back by themselves', async () => {
  await answer(rooms[0]);
  rooms[0]?.say(RoomEvent.Disconnected, DisconnectReason.DUPLICATE_IDENTITY);
  await online();
  await vi.advanceTimersByTimeAsync(LONG);
  expect([rooms.length, expelled]).toEqual([1, ['elsewhere']]);
});
