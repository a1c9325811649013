import { beforeEach, expect, test, vi } from 'vitest';
import type { Api } from '../api';
import { ApiError, type ErrorCode } from '../api/errors';
import type { Profile } from '../api/platform';
import { Devices, type MediaDevicesLike } from './before/devices';
import type { Ticket } from './entry';
import type { Call, CallOptions } from './inside/call';
import { FakeLine, participant } from './inside/testing';
import { Visit } from './visit';

let line: FakeLine;
let callLine: FakeLine;
let doors: number;
let tickets: Ticket[];
/** What the meeting was last entered with. */
let inside: CallOptions | null;
/** How often a guest looked who is inside. */
let looks: number;
let refusal: ErrorCode | null;
let status: 'joined' | 'waiting';
/** What a person gets for joining. */
let token: string;
let passcodes: (string | undefined)[];
let left: (string | undefined)[][];
/** Until when an answer to "Join" takes. */
let answer: Promise<void>;

const urls = { livekit_url: 'ws://x', websocket_url: 'ws://x' };
const guest = {
  async join(code: string, name: string, passcode?: string) {
    passcodes.push(passcode);
    await answer;
    if (refusal) throw new ApiError({ status: 403, code: refusal, message: '' });
    return {
      ...urls,
      meeting_id: code,
      token: 'door',
      user_name: name,
      user_id: 'me',
      participant_id: 'participant-me',
      status,
    };
  },
  info: async () => {
    looks++;
    return { num_participants: 3 };
  },
  participants: async () => {
    looks++;
    return { participants: [{ name: 'Ann' }, { name: 'Bob' }], count: 2 };
  },
} as unknown as Api['guest'];

const platform = {
  leave: async (...what: string[]) => void left.push(what),
  async join() {
    await answer;
    if (refusal) throw new ApiError({ status: 403, code: refusal, message: '' });
    return {
      ...urls,
      participant_id: 'participant-me',
      status,
      role: 'host',
      meeting_token: token,
      user_id: 'user-me',
      identity: 'me',
    };
  },
  meeting: async () => ({
    title: 'Retro',
    status: 'active',
    host_user_id: 'user-ann',
    settings: { waiting_room_enabled: true, require_password: true },
    current_participant_count: 1,
    participants: [],
  }),
} as unknown as Api['platform'];

const ME = {
  id: 'user-me',
  display_name: 'Me',
  meeting_settings: { default_audio_enabled: false, default_video_enabled: true },
} as Profile;

function make(
  who: Profile | { profile: Profile | null } | null = null,
  code = '123-456-789',
  devices = new Devices(undefined),
): Visit {
  const session = (who && 'profile' in who ? who : { profile: who }) as unknown as ConstructorParameters<
    typeof Visit
  >[0]['session'];
  const notices = { say: () => {}, warn: () => {} };
  const call = (_: unknown, options: CallOptions) => {
    tickets.push(options.ticket);
    inside = options;
    return { line: callLine.asLine, dispose: () => {} } as unknown as Call;
  };
  const visit = new Visit({ api: { platform, guest }, session, notices }, code, {
    devices,
    line: () => {
      doors++;
      return line.asLine;
    },
    call,
  });
  visit.$name.set('');
  return visit;
}

beforeEach(() => {
  [line, callLine] = [new FakeLine(), new FakeLine()];
  [doors, tickets, refusal, status, passcodes, left] = [0, [], null, 'joined', [], []];
  [inside, token, looks] = [null, 'all', 0];
  answer = Promise.resolve();
});

test('a guest needs a name and nothing else', async () => {
  const visit = make();
  await visit.join();
  expect(visit.$nameProblem.get()).toEqual({ key: 'meeting.nameNeeded' });
  visit.$name.set(' Bob ');
  await visit.join();
  expect(visit.$phase.get().at).toBe('inside');
  expect(tickets[0]).toMatchObject({ name: 'Bob', userId: null, token: 'door' });
  expect(passcodes).toEqual([undefined]);
  visit.dispose();
});

test('a person with an account needs nothing, and comes in as their settings say', async () => {
  const visit = make(ME);
  await visit.prepare();
  expect([visit.mirror.wants('microphone'), visit.mirror.wants('camera')]).toEqual([false, true]);
  await visit.join();
  expect(tickets[0]).toMatchObject({ name: 'Me', userId: 'user-me' });
  visit.dispose();
});

test('before going in one learns how many are inside; who has an account learns more', async () => {
  const visit = make();
  await vi.waitFor(() => expect(visit.$outlook.get().inside).toBe(3));
  expect(visit.$outlook.get().title).toBe(null);
  visit.dispose();
  const person = make(ME);
  await vi.waitFor(() => expect(person.$outlook.get()).toMatchObject({ title: 'Retro', waitingRoom: true }));
  expect(person.$asksPasscode.get()).toBe(true);
  person.dispose();
});

test('of a meeting by link anybody with the link learns who is inside', async () => {
  const visit = make(null, 'abc-defg-hij');
  await vi.waitFor(() => expect(visit.$outlook.get().names).toEqual(['Ann', 'Bob']));
  visit.dispose();
});

test('who stands before the door looks seldom, the less the longer, and not while nobody sees it', async () => {
  vi.useFakeTimers();
  const page = Object.assign(new EventTarget(), { hidden: false });
  vi.stubGlobal('document', page);
  const show = (shown: boolean) => {
    page.hidden = !shown;
    page.dispatchEvent(new Event('visibilitychange'));
  };
  const visit = make(null, 'abc-defg-hij');
  await vi.advanceTimersByTimeAsync(600_000);
  expect(looks).toBeGreaterThan(9);
  expect(looks).toBeLessThan(15);
  show(false);
  looks = 0;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(looks).toBe(0);
  show(true);
  expect(looks).toBe(1);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(looks).toBe(2);
  visit.dispose();
  show(true);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(looks).toBe(2);
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test('the passcode is asked for when it is needed', async () => {
  const visit = make();
  visit.$name.set('Bob');
  refusal = 'INVALID_PASSCODE';
  await visit.join();
  expect(visit.$asksPasscode.get()).toBe(true);
  expect(visit.$passcodeProblem.get()).toEqual({ key: 'meeting.passcodeNeeded' });
  visit.$passcode.set('1');
  await visit.join();
  expect(visit.$passcodeProblem.get()).toEqual({ key: 'error.passcode' });
  refusal = null;
  visit.$passcode.set('123456');
  await visit.join();
  expect(passcodes.at(-1)).toBe('123456');
  expect(visit.$phase.get().at).toBe('inside');
  visit.dispose();
});

test.each([
  ['MEETING_LOCKED', 'lobby', 'error.meetingLocked'],
  ['MEETING_FULL', 'lobby', 'error.meetingFull'],
  ['MEETING_NOT_STARTED', 'lobby', 'error.meetingNotStarted'],
] as const)('%s leaves one before the door, told why', async (code, at, key) => {
  const visit = make();
  visit.$name.set('Bob');
  refusal = code;
  await visit.join();
  expect(visit.$phase.get().at).toBe(at);
  expect(visit.$problem.get()).toEqual({ key });
  visit.dispose();
});

test('an ended meeting is nowhere', async () => {
  const visit = make();
  visit.$name.set('Bob');
  refusal = 'MEETING_ENDED';
  await visit.join();
  expect(visit.$phase.get()).toMatchObject({ at: 'nowhere', problem: { key: 'error.meetingEnded' } });
  visit.dispose();
});

async function waiting(): Promise<Visit> {
  const visit = make();
  visit.$name.set('Bob');
  status = 'waiting';
  await visit.join();
  expect(visit.$phase.get().at).toBe('waiting');
  return visit;
}

const connect = (line: FakeLine, status: 'joined' | 'waiting' = 'joined') =>
  line.events.emit('connected', {
    participant_id: 'participant-me',
    status,
    seq: 0,
    meeting: null,
    participants: [],
  });

test('admitted one is inside, with the token that opens it', async () => {
  const visit = await waiting();
  line.events.emit('participant_admitted', { ...participant('other'), meeting_token: null });
  expect(visit.$phase.get().at).toBe('waiting');
  line.events.emit('participant_admitted', { ...participant('me'), meeting_token: 'all' });
  expect(visit.$phase.get().at).toBe('inside');
  expect(tickets[0]).toMatchObject({ token: 'all', status: 'joined' });
  // The seat is held by the line of the waiting room until the meeting's own stands.
  expect(line.closed).toBe(false);
  connect(callLine);
  expect(line.closed).toBe(true);
  visit.dispose();
});

test('denied one is told, and can ask again', async () => {
  const visit = await waiting();
  line.events.emit('participant_denied', participant('me', { status: 'denied' }));
  expect(visit.$phase.get().at).toBe('denied');
  visit.again();
  expect(visit.$phase.get().at).toBe('lobby');
  visit.dispose();
});

test('denied one may hear it by the close of the line alone', async () => {
  const visit = await waiting();
  line.state.set({ status: 'closed', code: 4403, reason: 'denied' });
  expect(visit.$phase.get().at).toBe('denied');
  visit.dispose();
});

/** A browser with a camera, and what of it is on. */
function camera() {
  const track = {
    onended: null,
    readyState: 'live',
    stop: () => Object.assign(track, { readyState: 'ended' }),
  };
  const stream = { getTracks: () => [track], getVideoTracks: () => [track] };
  const browser = {
    addEventListener: () => {},
    removeEventListener: () => {},
    enumerateDevices: async () => [],
    getUserMedia: async () => stream,
  };
  return { track, devices: new Devices(browser as unknown as MediaDevicesLike) };
}

test('the camera is off for whom there is no way in, and on again for who may ask again', async () => {
  const { track, devices } = camera();
  const visit = make(ME, '123-456-789', devices);
  await visit.prepare();
  expect(visit.mirror.$camera.get().status).toBe('on');
  status = 'waiting';
  await visit.join();
  line.events.emit('participant_denied', participant('me', { status: 'denied' }));
  expect([visit.$phase.get().at, track.readyState]).toEqual(['denied', 'ended']);
  visit.again();
  await visit.prepare();
  expect(visit.mirror.$camera.get().status).toBe('on');
  visit.dispose();
});

test('the camera is off behind a meeting that is gone, though it was asked for before', async () => {
  const { track, devices } = camera();
  const visit = make(null, '123-456-789', devices);
  visit.$name.set('Bob');
  const opening = visit.mirror.set('camera', true);
  refusal = 'MEETING_ENDED';
  await visit.join();
  await opening;
  await visit.prepare();
  expect([visit.$phase.get().at, visit.mirror.$camera.get().status]).toEqual(['nowhere', 'off']);
  expect(track.readyState).toBe('ended');
  visit.dispose();
});

test.each([
  ['denied', 403, 'INSUFFICIENT_PERMISSIONS', { at: 'denied' }],
  ['the meeting ended', 400, 'MEETING_ENDED', { at: 'nowhere', problem: { key: 'error.meetingEnded' } }],
  ['it is gone', 404, 'MEETING_NOT_FOUND', { at: 'nowhere', problem: { key: 'error.meetingNotFound' } }],
  ['the token is spent', 401, 'AUTHENTICATION_REQUIRED', { at: 'lobby' }],
])('%s while the connection was down: the line may not come back, and one is told', async (...row) => {
  const [, code, reason, phase] = row;
  const visit = await waiting();
  line.state.set({ status: 'waiting', attempt: 1, retryAt: 0 });
  line.state.set({ status: 'closed', code, reason });
  expect(visit.$phase.get()).toEqual(phase);
  expect(visit.$problem.get()).toBe(null);
  visit.dispose();
});

test.each([
  ['by the line', 4401, 'logged out'],
  ['by a token that never was good', 401, 'AUTHENTICATION_REQUIRED'],
])('who is logged out at the door is told before it, %s', async (_, code, reason) => {
  status = 'waiting';
  const visit = make(ME);
  await visit.join();
  line.state.set({ status: 'closed', code, reason });
  expect(visit.$phase.get().at).toBe('lobby');
  expect(visit.$problem.get()).toEqual({ key: 'error.session' });
  visit.dispose();
});

const SPENT = { status: 'closed', code: 401, reason: 'AUTHENTICATION_REQUIRED' } as const;

test('whose token is spent at the door joins again', async () => {
  status = 'waiting';
  const visit = make(ME);
  await visit.join();
  connect(line, 'waiting');
  [status, token] = ['joined', 'new'];
  line.state.set(SPENT);
  await vi.waitFor(() => expect(visit.$phase.get().at).toBe('inside'));
  expect(tickets.map((ticket) => ticket.token)).toEqual(['new']);
  visit.dispose();
});

test('who is logged out when they join again at the door is told before it', async () => {
  status = 'waiting';
  const visit = make(ME);
  await visit.join();
  connect(line, 'waiting');
  refusal = 'AUTHENTICATION_REQUIRED';
  line.state.set(SPENT);
  await vi.waitFor(() => expect(visit.$problem.get()).toEqual({ key: 'error.session' }));
  expect(visit.$phase.get().at).toBe('lobby');
  visit.dispose();
});

const FAREWELL = { why: 'loggedOut', seconds: 1, peopleMet: 1, messages: 1 } as const;

test('whose token is spent inside is inside again, with what was on', async () => {
  const visit = make(ME);
  await visit.prepare();
  await visit.join();
  expect(inside).toMatchObject({ camera: true, microphone: false });
  token = 'new';
  inside?.onSpent({ camera: false, microphone: true }, FAREWELL);
  await vi.waitFor(() => expect(tickets).toHaveLength(2));
  expect(inside).toMatchObject({ camera: false, microphone: true, ticket: { token: 'new' } });
  expect(visit.$phase.get().at).toBe('inside');
  visit.dispose();
});

test('who was logged out meanwhile is not inside again', async () => {
  const session: { profile: Profile | null } = { profile: ME };
  const visit = make(session);
  await visit.join();
  refusal = 'AUTHENTICATION_REQUIRED';
  inside?.onSpent({ camera: false, microphone: true }, FAREWELL);
  // The server did not take the log-in, so it is gone from the device.
  session.profile = null;
  await vi.waitFor(() => expect(visit.$phase.get()).toEqual({ at: 'after', farewell: FAREWELL }));
  inside?.onSpent({ camera: false, microphone: true }, FAREWELL);
  expect([tickets.length, passcodes.length]).toEqual([1, 0]);
  visit.dispose();
});

test('whoever gives up leaves the door', async () => {
  const visit = await waiting();
  visit.giveUp();
  expect(line.sent).toEqual([{ type: 'leave_meeting', data: {} }]);
  expect(line.closed).toBe(true);
  expect(visit.$phase.get().at).toBe('lobby');
  visit.dispose();
});

test.each([
  ['a guest', null, 'joined', 'door'],
  ['a guest', null, 'waiting', 'door'],
  ['a person', ME, 'joined', undefined],
  ['a person', ME, 'waiting', undefined],
] as const)(
  '%s who goes away before the answer (%#) gives the seat back and turns nothing on',
  async (_, profile, seat, token) => {
    const visit = make(profile);
    visit.$name.set('Bob');
    status = seat;
    let tell = (): void => {};
    answer = new Promise((resolve) => (tell = resolve));
    const joined = visit.join();
    visit.dispose();
    tell();
    await joined;
    expect([tickets.length, doors]).toEqual([0, 0]);
    expect(left).toEqual([['123-456-789', 'participant-me', token]]);
  },
);

test('what the door still says counts for nobody who has gone away', async () => {
  const visit = await waiting();
  visit.dispose();
  line.events.emit('participant_admitted', { ...participant('me'), meeting_token: 'all' });
  connect(line);
  expect([tickets.length, passcodes.length]).toEqual([0, 1]);
});

test('who was let in is let in once, whatever the door still says', async () => {
  const visit = await waiting();
  line.events.emit('participant_admitted', { ...participant('me'), meeting_token: 'all' });
  line.events.emit('participant_admitted', { ...participant('me'), meeting_token: 'all' });
  connect(line);
  expect(visit.$phase.get().at).toBe('inside');
  expect([tickets.length, passcodes.length]).toEqual([1, 1]);
  visit.dispose();
});

test('who goes away before the meeting’s own line stands shuts the door', async () => {
  const visit = await waiting();
  line.events.emit('participant_admitted', { ...participant('me'), meeting_token: 'all' });
  visit.dispose();
  expect(line.closed).toBe(true);
});
