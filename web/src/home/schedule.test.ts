import { expect, test, vi } from 'vitest';
import type { MeetingDetails, NewMeeting, Profile } from '../api/platform';
import { Schedule } from './schedule';
import { deviceZone } from './time';

interface Given {
  now?: string;
  before?: MeetingDetails;
  /** Of the person. */
  zone?: string;
}

function schedule({ now = '2024-01-20T10:05:00Z', before, zone = 'Europe/Berlin' }: Given = {}) {
  const platform = {
    createMeeting: vi.fn(async (meeting) => ({ ...meeting, id: 'meeting-1' })),
    updateMeeting: vi.fn(async () => ({})),
    meeting: vi.fn(async () => ({ ...planned, title: 'Changed' })),
  };
  const profile = { timezone: zone } as Profile;
  const services = { api: { platform }, session: { profile }, notices: { say: vi.fn() } };
  return { model: new Schedule(services, before ?? null, () => new Date(now)), ...platform, ...services };
}

const planned = {
  id: 'meeting-7',
  title: 'Retro',
  description: 'Bring cake.',
  scheduled_start_time: '2024-01-20T09:00:00Z',
  scheduled_end_time: '2024-01-20T09:50:00Z',
  timezone: 'America/New_York',
  passcode: '424242',
  settings: {
    waiting_room_enabled: true,
    require_password: true,
    allow_join_before_host: false,
    recording_enabled: false,
    auto_recording: false,
    chat_enabled: false,
    screen_sharing_enabled: true,
    max_participants: 12,
  },
} as MeetingDetails;

test('it begins with the next half hour, in the person’s zone', () => {
  const { date, start, timeZone } = schedule().model.form.$fields.get();
  expect([date, start, timeZone]).toEqual(['2024-01-20', '11:30', 'Europe/Berlin']);
});

test.each(['CEST', 'UTC+2', 'America/Not_Yet_Known'])(
  'a zone that is not known here, %s: the device’s',
  (zone) => {
    const zones = [schedule({ zone }), schedule({ before: { ...planned, timezone: zone } })].map(
      ({ model }) => model.form.$fields.get().timeZone,
    );
    expect(zones).toEqual([deviceZone(), deviceZone()]);
  },
);

test('the chosen wall clock is sent as the moment that it is there', async () => {
  const { model, createMeeting, notices } = schedule();
  model.form.set('title', ' Retro ');
  model.form.set('timeZone', 'America/New_York');
  model.form.set('date', '2024-07-01');
  model.form.set('start', '09:00');
  model.form.set('duration', 45);
  expect(await model.save()).not.toBeNull();
  expect(createMeeting).toHaveBeenCalledWith(
    expect.objectContaining({
      title: 'Retro',
      scheduled_start_time: '2024-07-01T13:00:00.000Z',
      scheduled_end_time: '2024-07-01T13:45:00.000Z',
      timezone: 'America/New_York',
    }),
  );
  expect(notices.say).toHaveBeenCalledWith({ key: 'schedule.done', values: { title: 'Retro' } });
});

test('a time that is over is not sent', async () => {
  const { model, createMeeting } = schedule();
  model.form.set('title', 'Retro');
  model.form.set('start', '11:00');
  expect(await model.save()).toBeNull();
  expect(model.form.$problems.get().start?.key).toBe('schedule.past');
  expect(createMeeting).not.toHaveBeenCalled();
});

test('a meeting that is changed begins as it is, by its own clocks', () => {
  const { model } = schedule({ before: planned });
  expect(model.form.$fields.get()).toMatchObject({
    title: 'Retro',
    date: '2024-01-20',
    start: '04:00',
    duration: 50,
    timeZone: 'America/New_York',
    waitingRoom: true,
    ownPasscode: '424242',
    chat: false,
    participants: '12',
  });
  expect(model.durations).toContain(50);
});

test('its title can be changed although it began already; what was emptied is sent as empty', async () => {
  const { model, updateMeeting, createMeeting, notices } = schedule({ before: planned });
  model.form.set('title', 'Changed');
  model.form.set('description', '');
  model.form.set('passcode', false);
  expect((await model.save())?.title).toBe('Changed');
  expect(createMeeting).not.toHaveBeenCalled();
  const change = {
    title: 'Changed',
    description: '',
    settings: expect.objectContaining({ require_password: false }),
  };
  expect(updateMeeting).toHaveBeenCalledWith('meeting-7', expect.objectContaining(change));
  expect(updateMeeting).not.toHaveBeenCalledWith(
    'meeting-7',
    expect.objectContaining({ passcode: expect.anything() }),
  );
  expect(notices.say).toHaveBeenCalledWith({ key: 'schedule.changed', values: { title: 'Changed' } });
});

test.each([
  ['424242', '  ', { passcode: '' }],
  ['424242', '77', { passcode: '77' }],
  [null, '', {}],
])('of a meeting with passcode %j one that is changed to %j is sent as %j', async (passcode, own, sent) => {
  const { model, updateMeeting } = schedule({ before: { ...planned, passcode } });
  model.form.set('ownPasscode', own);
  await model.save();
  const [[, change] = []] = updateMeeting.mock.calls as unknown as [string, NewMeeting][];
  expect('passcode' in (change ?? {}) ? { passcode: change?.passcode } : {}).toEqual(sent);
});

test.each(['1', '', '3.5', '10001', 'many'])('%j is no number of people', async (participants) => {
  const { model } = schedule();
  model.form.set('title', 'Retro');
  model.form.set('participants', participants);
  expect(await model.save()).toBeNull();
  expect(model.form.$problems.get().participants?.key).toBe('schedule.participantsRange');
});
