import type * as LiveKit from 'livekit-client';
import { DisconnectReason, RoomEvent, Track, TrackEvent } from 'livekit-client';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Media } from './media';

/** What was done with cameras. */
let done: string[];

/** A camera that can blur, as livekit-client hands it out. */
class FakeCamera {
  readonly isMuted = false;
  readonly stop = () => void done.push('stop');
  readonly on = (event: TrackEvent, act: (camera: FakeCamera) => void) => {
    if (event === TrackEvent.Restarted) this.restarts = () => act(this);
  };
  restarts = () => {};
  readonly mediaStreamTrack = {
    getCapabilities: () => ({ backgroundBlur: [true, false] }),
    applyConstraints: async (constraints: object) => {
      done.push(JSON.stringify(constraints));
      await this.blurring();
    },
  };

  constructor(private readonly blurring: () => Promise<void>) {}
}

/** A LiveKit room without a server: the test says whether it is let in, and what happens to it. */
class FakeRoom {
  readonly remoteParticipants = new Map();
  readonly canPlaybackAudio = true;
  readonly published = new Map<Track.Source, { isMuted: boolean; track?: FakeCamera }>();
  readonly localParticipant = {
    identity: 'me',
    isLocal: true,
    getTrackPublication: (source: Track.Source) => this.published.get(source),
    get isMicrophoneEnabled() {
      return this.getTrackPublication(Track.Source.Microphone)?.isMuted === false;
    },
    setCameraEnabled: vi.fn(async (on: boolean) => this.mute(Track.Source.Camera, !on)),
    createTracks: vi.fn(async () => [new FakeCamera(this.blurring)]),
    publishTrack: async (track: FakeCamera) => {
      done.push('publish');
      this.published.set(Track.Source.Camera, { isMuted: false, track });
      this.say(RoomEvent.LocalTrackPublished, { source: Track.Source.Camera, track }, this.localParticipant);
    },
    unpublishTrack: async () => {
      done.push('unpublish');
      this.published.delete(Track.Source.Camera);
    },
    setMicrophoneEnabled: vi.fn(async (on: boolean) => this.mute(Track.Source.Microphone, !on)),
  };
  readonly disconnect = vi.fn(async () => this.answer(new Error('ended')));
  readonly switchActiveDevice = async (_: string, id: string) => void done.push(id);
  /** How the camera takes it to be blurred. */
  blurring = async (): Promise<void> => {};
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

  /** As livekit-client does, at whosever wish. */
  mute(source: Track.Source, isMuted: boolean): void {
    if (!this.published.has(source) && isMuted) return;
    const publication = { isMuted };
    this.published.set(source, publication);
    this.say(isMuted ? RoomEvent.TrackMuted : RoomEvent.TrackUnmuted, publication, this.localParticipant);
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
  [rooms, expelled, done] = [[], [], []];
  await make(false);
});
async function make(blur: boolean) {
  const devices = { camera: null, microphone: null, speaker: null, blur };
  media = new Media({ url: 'ws://x', token: () => 'token', devices, microphone: false, camera: false });
  media.events.on('expelled', (why) => expelled.push(why));
  const before = rooms.length;
  await vi.waitFor(() => expect(rooms).toHaveLength(before + 1));
}
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

/** What was asked of a room's microphone. */
const presses = (room: FakeRoom | undefined) =>
  room?.localParticipant.setMicrophoneEnabled.mock.calls.map(([on]) => on);
/** As after a resumed connection: what is missing is mended some seconds later. */
const comesBack = async (room: FakeRoom | undefined) => {
  room?.say(RoomEvent.Reconnecting);
  room?.say(RoomEvent.Reconnected);
  await vi.advanceTimersByTimeAsync(LONG);
};
const newRoom = async (room: FakeRoom | undefined) => {
  room?.say(RoomEvent.Disconnected, DisconnectReason.SIGNAL_CLOSE);
  await vi.advanceTimersByTimeAsync(LONG);
  await answer(rooms.at(-1));
};

test('who was muted by the server stays muted, after a reconnection and in a new room', async () => {
  await answer(rooms[0]);
  await media.setMicrophone(true);
  rooms[0]?.mute(Track.Source.Microphone, true);
  expect(media.$wants.get().microphone).toBe(false);
  await comesBack(rooms[0]);
  expect(presses(rooms[0])).toEqual([true]);
  await newRoom(rooms[0]);
  expect([rooms.length, presses(rooms[1])]).toEqual([2, []]);
});

test('a mute that was not told is seen when one looks around', async () => {
  await answer(rooms[0]);
  await media.setMicrophone(true);
  rooms[0]?.published.set(Track.Source.Microphone, { isMuted: true });
  await comesBack(rooms[0]);
  expect([media.$wants.get().microphone, presses(rooms[0])]).toEqual([false, [true]]);
});

test('one’s own mute that ends late does not undo the press after it', async () => {
  await answer(rooms[0]);
  await media.setMicrophone(true);
  let muted = () => {};
  rooms[0]?.localParticipant.setMicrophoneEnabled.mockImplementationOnce(
    () => new Promise((resolve) => (muted = resolve)),
  );
  const [off, on] = [media.setMicrophone(false), media.setMicrophone(true)];
  rooms[0]?.mute(Track.Source.Microphone, true);
  rooms[0]?.mute(Track.Source.Microphone, false);
  muted();
  await Promise.all([off, on]);
  await newRoom(rooms[0]);
  expect(presses(rooms[1])).toEqual([true]);
});

test('what was not sent any more after a reconnection is sent again', async () => {
  await answer(rooms[0]);
  await media.setMicrophone(true);
  rooms[0]?.published.clear();
  await comesBack(rooms[0]);
  expect(presses(rooms[0])).toEqual([true, true]);
});

describe('while the room is not there', () => {
  const wished = () => media.$wants.get().microphone;

  test('what is on waits for it, and can be turned off', async () => {
    await answer(rooms[0]);
    await media.setMicrophone(true);
    rooms[0]?.published.clear();
    rooms[0]?.say(RoomEvent.Disconnected, DisconnectReason.SIGNAL_CLOSE);
    expect([wished(), media.$steady.get().microphone]).toEqual([true, false]);
    await media.setMicrophone(false);
    await vi.advanceTimersByTimeAsync(LONG);
    await answer(rooms[1]);
    expect([wished(), presses(rooms[1]), media.$steady.get().microphone]).toEqual([false, [], true]);
  });

  test('what is turned on waits for it, and opens no device', async () => {
    await media.setMicrophone(true);
    expect(presses(rooms[0])).toEqual([]);
    await answer(rooms[0]);
    expect(presses(rooms[0])).toEqual([true]);
  });

  test('what one sends already is turned on and off at once', async () => {
    await answer(rooms[0]);
    await media.setMicrophone(true);
    rooms[0]?.say(RoomEvent.Reconnecting);
    await media.setMicrophone(false);
    await media.setMicrophone(true);
    expect(presses(rooms[0])).toEqual([true, false, true]);
  });

  test('it is not the device that fails', async () => {
    const failed = vi.fn();
    media.events.on('deviceFailed', failed);
    await answer(rooms[0]);
    let fail = () => {};
    rooms[0]?.localParticipant.setMicrophoneEnabled.mockImplementationOnce(
      () => new Promise((_, reject) => (fail = () => reject(new Error('not connected')))),
    );
    const pressed = media.setMicrophone(true);
    rooms[0]?.say(RoomEvent.Disconnected, DisconnectReason.SIGNAL_CLOSE);
    fail();
    await pressed;
    expect(failed).not.toHaveBeenCalled();
  });
});

test('what did not make it is about to come until it is mended', async () => {
  await answer(rooms[0]);
  await media.setMicrophone(true);
  rooms[0]?.published.clear();
  rooms[0]?.say(RoomEvent.Reconnecting);
  rooms[0]?.say(RoomEvent.Reconnected);
  expect([media.$state.get(), media.$steady.get().microphone]).toEqual(['connected', false]);
  await vi.advanceTimersByTimeAsync(LONG);
  expect(media.$steady.get().microphone).toBe(true);
});

test('a microphone that is turned off while the browser asks for it is off when it comes', async () => {
  await answer(rooms[0]);
  let allow = () => {};
  const asks = rooms[0]?.localParticipant.setMicrophoneEnabled;
  asks?.mockImplementationOnce(() => new Promise((resolve) => (allow = resolve)));
  const on = media.setMicrophone(true);
  expect(media.$steady.get().microphone).toBe(false);
  await media.setMicrophone(false);
  rooms[0]?.mute(Track.Source.Microphone, false);
  allow();
  await on;
  expect(rooms[0]?.published.get(Track.Source.Microphone)).toEqual({ isMuted: true });
});

describe('a camera that is to blur what is behind the person', () => {
  const BLUR = '{"backgroundBlur":true}';
  const enter = async () => {
    media.close();
    rooms = [];
    await make(true);
    await answer(rooms[0]);
  };
  const camera = (room = rooms[0]) => room?.published.get(Track.Source.Camera)?.track;

  test('does so before it is sent, each time it is turned on', async () => {
    await enter();
    await media.setCamera(true);
    expect(done).toEqual([BLUR, 'publish']);
    await media.setCamera(false);
    await media.setCamera(true);
    expect(done.slice(2)).toEqual(['unpublish', BLUR, 'publish']);
    expect(rooms[0]?.localParticipant.setCameraEnabled).not.toHaveBeenCalled();
  });

  test('does so when another is chosen, or the one before was pulled out', async () => {
    await enter();
    await media.setCamera(true);
    await media.use('camera', 'other');
    expect(done.slice(2)).toEqual(['unpublish', 'other', BLUR, 'publish']);
    camera()?.restarts();
    expect(done.slice(6)).toEqual([BLUR]);
  });

  test('does so in a new room', async () => {
    await enter();
    await media.setCamera(true);
    await newRoom(rooms[0]);
    expect(done.slice(2)).toEqual([BLUR, 'publish']);
  });

  test('does so when that is wished inside', async () => {
    await answer(rooms[0]);
    await media.setCamera(true);
    expect(done).toEqual([]);
    await media.setBlur(true);
    await media.setCamera(false);
    await media.setCamera(true);
    expect(done).toContain(BLUR);
    done = [];
    await media.setBlur(false);
    expect(done).toEqual(['{"backgroundBlur":false}']);
  });

  test('is sent once, and not at all where it was turned off meanwhile', async () => {
    await enter();
    await Promise.all([media.setCamera(true), media.setCamera(true)]);
    expect(done.filter((what) => what === 'publish')).toHaveLength(1);
    await media.setCamera(false);
    done = [];
    let blurred = () => {};
    if (rooms[0]) rooms[0].blurring = () => new Promise((resolve) => (blurred = resolve));
    const on = media.setCamera(true);
    await settle();
    const off = media.setCamera(false);
    blurred();
    await Promise.all([on, off]);
    expect(done).toEqual([BLUR, 'stop']);
  });

  test('is said to be seen as it is where it does not', async () => {
    await enter();
    const failed = vi.fn();
    media.events.on('blurFailed', failed);
    if (rooms[0]) rooms[0].blurring = () => Promise.reject(new Error('overconstrained'));
    await media.setCamera(true);
    expect([failed.mock.calls.length, done]).toEqual([1, [BLUR, 'publish']]);
  });
});

describe('a screen that is shared', () => {
  const share = (room: FakeRoom | undefined) =>
    room?.say(RoomEvent.LocalTrackPublished, { source: Track.Source.ScreenShare }, room.localParticipant);
  const takeBack = (room: FakeRoom | undefined) =>
    room?.say(RoomEvent.LocalTrackUnpublished, { source: Track.Source.ScreenShare }, room.localParticipant);
  const lose = (room: FakeRoom | undefined) => {
    takeBack(room);
    room?.say(RoomEvent.Disconnected, DisconnectReason.SIGNAL_CLOSE);
  };
  const lost = vi.fn();
  beforeEach(async () => {
    lost.mockReset();
    media.events.on('screenLost', lost);
    await answer(rooms[0]);
    share(rooms[0]);
  });

  test('is told to be gone with its room, once', async () => {
    lose(rooms[0]);
    expect(lost).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(LONG);
    await answer(rooms[1]);
    lose(rooms[1]);
    expect(lost).toHaveBeenCalledTimes(1);
  });

  test('and was stopped by the person is not missed', async () => {
    takeBack(rooms[0]);
    await settle();
    lose(rooms[0]);
    expect(lost).not.toHaveBeenCalled();
  });
});
