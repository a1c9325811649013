import { beforeEach, describe, expect, test } from 'vitest';
import type { Api } from '../../api';
import type { Participant } from '../../api/platform';
import type { Text } from '../../i18n/i18n';
import type { About } from '../../live/meeting';
import { Devices } from '../before/devices';
import type { Ticket } from '../entry';
import { Call, type Farewell } from './call';
import { FakeLine, FakeMedia, participant } from './testing';

const TICKET: Ticket = {
  code: '123-456-789',
  participantId: 'participant-me',
  userId: 'user-me',
  identity: 'me',
  name: 'Me',
  role: 'host',
  status: 'joined',
  token: 'secret',
  urls: { livekit_url: '', websocket_url: '' },
};

const ABOUT: About = {
  title: 'Retro',
  description: null,
  is_locked: true,
  chat_enabled: true,
  screen_sharing_enabled: true,
};

let line: FakeLine;
let media: FakeMedia;
let call: Call;
let warned: Text[];
let over: Farewell[];
/** What was on when the token was spent, and what to say of it. */
let spent: unknown[];
let asked: string[];
/** Who waits, when the server is asked. */
let door: Participant[];

const platform = {
  meeting: async () => ({
    participants: door,
    removed: [participant('eve', { status: 'removed' })],
  }),
  messages: async () => ({ messages: [], pagination: { pages: 0 } }),
  leave: async (_: string, id: string) => void asked.push(`leave ${id}`),
  end: async () => void asked.push('end'),
  async control(_: string, id: string, act: string) {
    asked.push(`${act} ${id}`);
  },
} as unknown as Api['platform'];

const make = (ticket: Ticket = TICKET) =>
  new Call(
    {
      api: { platform },
      notices: { say: () => {}, warn: (text) => void warned.push(text) },
      devices: new Devices(undefined),
    },
    {
      ticket,
      microphone: true,
      camera: true,
      onOver: (farewell) => over.push(farewell),
      onSpent: (wanted, farewell) => spent.push([wanted, farewell.why]),
    },
    { line: line.asLine, media: media.asMedia },
  );

/** The meeting's socket is open, or again, and says who is there. */
const connected = (participants: ReturnType<typeof participant>[], meeting: typeof ABOUT | null = ABOUT) =>
  line.events.emit('connected', {
    participant_id: 'participant-me',
    status: 'joined',
    seq: 0,
    meeting,
    participants,
  });

beforeEach(() => {
  [line, media, warned, over, spent, asked] = [new FakeLine(), new FakeMedia(), [], [], [], []];
  door = [participant('early', { status: 'waiting' })];
  call = make();
  call.$people.listen(() => {});
  connected([participant('me', { role: 'host' }), participant('ann')]);
});

const names = (people: readonly Participant[]) => people.map(({ display_name }) => display_name);

test('who comes in learns what the meeting is called; a host also who waits and who was removed', async () => {
  await Promise.resolve();
  expect(call.$about.get()?.title).toBe('Retro');
  line.events.emit('meeting_updated', { ...ABOUT, title: 'Retrospective' });
  expect(call.$about.get()?.title).toBe('Retrospective');
  expect(call.hosting.$locked.get()).toBe(true);
  expect(names(call.members.$waiting.get())).toEqual(['early']);
  expect(names(call.members.$removed.get())).toEqual(['eve']);
});

test('who left the door while the line was down is gone from it when it is back', async () => {
  await Promise.resolve();
  expect(names(call.members.$waiting.get())).toEqual(['early']);
  door = [participant('late', { status: 'waiting' })];
  connected([participant('me', { role: 'host' })]);
  await Promise.resolve();
  expect(names(call.members.$waiting.get())).toEqual(['late']);
});

test('all who wait are admitted over the line; where it is down, one after the other', async () => {
  for (const name of ['bob', 'cem'])
    line.events.emit('participant_waiting', participant(name, { status: 'waiting' }));
  line.sent.length = 0;
  await call.hosting.admitAll();
  const all = ['early', 'bob', 'cem'].map((name) => `participant-${name}`);
  expect(line.sent).toEqual(
    all.map((participant_id) => ({ type: 'admit_participant', data: { participant_id } })),
  );
  expect(asked).toEqual([]);
  line.state.set({ status: 'waiting', attempt: 1, retryAt: 0 });
  await call.hosting.admitAll();
  expect(asked).toEqual(all.map((id) => `admit ${id}`));
});

test('who becomes co-host learns then who waits', async () => {
  call = make({ ...TICKET, role: 'participant' });
  call.$people.listen(() => {});
  const me = participant('me');
  connected([me]);
  await Promise.resolve();
  expect(call.members.$waiting.get()).toEqual([]);
  line.events.emit('participant_updated', { ...me, role: 'co_host' });
  await Promise.resolve();
  expect(names(call.members.$waiting.get())).toEqual(['early']);
});

test('muted by a host the microphone is off, and one is told', () => {
  call.setMicrophone(true);
  line.events.emit('participant_muted', { ...participant('me'), by: 'user-ann' });
  expect(call.$me.get()?.microphone).toBe(false);
  expect(warned).toEqual([{ key: 'meeting.mutedByHost' }]);
  line.events.emit('participant_muted', { ...participant('ann'), by: 'user-me' });
  expect(warned).toHaveLength(1);
});

describe('a line that was down', () => {
  const back = (audio_enabled: boolean) =>
    connected([participant('me', { audio_enabled }), participant('ann')], null);
  const told = () => line.sent.flatMap(({ type, data }) => (type === 'join_meeting' ? [data] : []));

  test('brings the mute by a host that was missed, and does not take it back', () => {
    call.setMicrophone(true);
    line.events.emit('participant_updated', participant('me', { audio_enabled: true }));
    line.sent.length = 0;
    back(false);
    expect([call.$me.get()?.microphone, media.$wants.get().microphone]).toEqual([false, false]);
    expect(warned).toEqual([{ key: 'meeting.mutedByHost' }]);
    expect(told().filter(({ audio_enabled }) => audio_enabled)).toEqual([]);
  });

  test('mutes nobody whose microphone was turned on meanwhile', () => {
    line.events.emit('participant_updated', participant('me', { audio_enabled: false }));
    call.setMicrophone(true);
    back(false);
    expect([call.$me.get()?.microphone, warned]).toEqual([true, []]);
  });

  test('says nothing to who was muted by themselves', () => {
    line.events.emit('participant_updated', participant('me', { audio_enabled: true }));
    call.setMicrophone(false);
    back(false);
    expect(warned).toEqual([]);
  });
});

test.each([
  ['Permission denied by user', 0],
  ['The request is not allowed by the user agent or the platform in the current context.', 0],
  ['Permission denied by system', 1],
])('whoever closes the choice of screens meant to (%s)', (message, warnings) => {
  media.events.emit('deviceFailed', { kind: 'screen', error: new DOMException(message, 'NotAllowedError') });
  expect(warned).toHaveLength(warnings);
});

test('what one believes to be on and is not is told', () => {
  media.events.emit('screenLost', null);
  media.events.emit('blurFailed', null);
  expect(warned).toEqual([{ key: 'meeting.shareLost' }, { key: 'meeting.blurFailed' }]);
});

test('asked to unmute the person decides', () => {
  line.events.emit('unmute_requested', { participant_id: 'participant-me', by: 'user-ann' });
  expect(call.$asked.get()).toBe(true);
  expect(call.$me.get()?.microphone).toBe(false);
  call.setMicrophone(true);
  expect(call.$asked.get()).toBe(false);
  line.events.emit('unmute_requested', { participant_id: 'participant-me', by: 'user-ann' });
  expect(call.$asked.get()).toBe(false);
});

test('while the media are on their way the buttons show and change what is wanted', () => {
  call.setMicrophone(true);
  media.$steady.set({ microphone: false, camera: false });
  media.$people.set(new Map());
  expect([call.$microphone.get(), call.$camera.get()]).toEqual([true, false]);
  line.events.emit('unmute_requested', { participant_id: 'participant-me', by: 'user-ann' });
  expect(call.$asked.get()).toBe(false);
  call.toggleMicrophone();
  call.toggleCamera();
  expect(media.$wants.get()).toEqual({ microphone: false, camera: true });
  expect([call.$microphone.get(), call.$camera.get()]).toEqual([false, true]);
  media.$steady.set({ microphone: true, camera: true });
  expect([call.$microphone.get(), call.$camera.get()]).toEqual([false, false]);
});

test('others hear of one’s microphone and camera, again after a reconnection', () => {
  line.sent.length = 0;
  call.setMicrophone(true);
  const last = () => line.sent.filter(({ type }) => type === 'join_meeting').at(-1)?.data;
  expect(last()).toEqual({ audio_enabled: true, video_enabled: false });
  line.sent.length = 0;
  connected([participant('me')], null);
  expect(last()).toEqual({ audio_enabled: true, video_enabled: false });
});

test('only who is on the stage is watched', () => {
  call.stage.resize({ width: 1200, height: 640 });
  expect(media.watched.map(({ identity }) => identity).sort()).toEqual(['ann', 'me']);
  line.events.emit('participant_left', participant('ann', { status: 'left' }));
  expect(media.watched.map(({ identity }) => identity)).toEqual(['me']);
});

test('coming in is said, with how the microphone stands, and coming back is not', () => {
  expect(call.$said.get()).toEqual({ key: 'meeting.saidInMuted' });
  const back = (of: Call) => {
    line.events.emit('participant_joined', participant('bob'));
    connected([participant('me')]);
    return of.$said.get()?.key;
  };
  expect(back(call)).toBe('meeting.saidJoined');
  media.$wants.set({ microphone: true, camera: false });
  media.$steady.set({ microphone: false, camera: false });
  expect(back(make())).toBe('meeting.saidIn');
});

test('what others do is said, what oneself does is not', () => {
  line.events.emit('participant_joined', participant('bob'));
  expect(call.$said.get()).toEqual({ key: 'meeting.saidJoined', values: { name: 'bob' } });
  line.events.emit('raise_hand', {
    participant_id: 'participant-me',
    user_id: 'user-me',
    display_name: 'me',
    raised: true,
  });
  expect(call.$said.get()).toMatchObject({ key: 'meeting.saidJoined' });
});

test('leaving says goodbye once and lets go of everything', () => {
  call.leave();
  call.leave();
  expect(asked).toEqual(['leave participant-me']);
  expect(over).toMatchObject([{ why: 'left', peopleMet: 1, messages: 0 }]);
  expect([line.closed, media.closed]).toEqual([true, true]);
});

test('a guest leaves by the line', () => {
  const guest = make({ ...TICKET, userId: null });
  line.sent.length = 0;
  guest.leave();
  expect(line.sent).toEqual([{ type: 'leave_meeting', data: {} }]);
});

test.each([
  ['meeting_ended', { meeting_code: '', reason: 'ended', ended_at: null }, 'ended'],
  ['participant_removed', participant('me', { status: 'removed' }), 'removed'],
] as const)('%s is the end', (name, data, why) => {
  line.events.emit(name, data as never);
  expect(over).toMatchObject([{ why }]);
});

test.each([
  [4401, 'loggedOut'],
  [4403, 'removed'],
] as const)('a line closed with %i is the end', (code, why) => {
  line.state.set({ status: 'closed', code, reason: '' });
  expect(over).toMatchObject([{ why }]);
});

test.each([
  [400, 'MEETING_ENDED', 'ended'],
  [404, 'MEETING_NOT_FOUND', 'ended'],
  [403, 'INSUFFICIENT_PERMISSIONS', 'removed'],
  [403, 'MEETING_FULL', 'failed'],
] as const)('a line that may not come back after a break, %i %s, is the end: %s', (code, reason, why) => {
  line.state.set({ status: 'waiting', attempt: 1, retryAt: 0 });
  line.state.set({ status: 'closed', code, reason });
  expect(over).toMatchObject([{ why }]);
  expect(media.closed).toBe(true);
});

test('who may not come back for want of a token that is good may join again, with what was on', () => {
  call.setMicrophone(true);
  line.state.set({ status: 'waiting', attempt: 1, retryAt: 0 });
  line.state.set({ status: 'closed', code: 401, reason: 'AUTHENTICATION_REQUIRED' });
  expect([over, spent]).toEqual([[], [[{ microphone: true, camera: false }, 'loggedOut']]]);
  expect(media.closed).toBe(true);
  call.dispose();
  expect(asked).toEqual([]);
});

test('whose token was never good does not join again and again', () => {
  call.leave();
  make();
  line.state.set({ status: 'closed', code: 401, reason: 'AUTHENTICATION_REQUIRED' });
  expect([over.at(-1)?.why, spent]).toEqual(['loggedOut', []]);
});

test('a guest whose token is spent was not logged out', () => {
  call.leave();
  make({ ...TICKET, userId: null });
  line.state.set({ status: 'closed', code: 401, reason: 'AUTHENTICATION_REQUIRED' });
  expect(over.at(-1)).toMatchObject({ why: 'failed' });
  expect(spent).toEqual([]);
});

test('a lost connection of either kind is shown', () => {
  expect(call.$connection.get()).toBe('ok');
  media.$state.set('reconnecting');
  expect(call.$connection.get()).toBe('reconnecting');
  media.$state.set('connected');
  line.state.set({ status: 'waiting', attempt: 1, retryAt: 0 });
  expect(call.$connection.get()).toBe('reconnecting');
});
