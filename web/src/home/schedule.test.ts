import { expect, test, vi } from 'vitest';
import type { Profile } from '../api/platform';
import { Schedule } from './schedule';

function schedule(now = '2024-01-20T10:05:00Z') {
  const createMeeting = vi.fn(async (meeting) => ({ ...meeting, id: 'meeting-1' }));
  const profile = { timezone: 'Europe/Berlin' } as Profile;
  const services = { api: { platform: { createMeeting } }, session: { profile }, notices: { say: vi.fn() } };
  return { model: new Schedule(services, () => new Date(now)), createMeeting, ...services };
}

test('it begins with the next half hour, in the person’s zone', () => {
  const { date, start, timeZone } = schedule().model.form.$fields.get();
  expect([date, start, timeZone]).toEqual(['2024-01-20', '11:30', 'Europe/Berlin']);
});

test('the chosen wall clock is sent as the moment that it is there', async () => {
  const { model, createMeeting, notices } = schedule();
  model.form.set('title', ' Retro ');
  model.form.set('timeZone', 'America/New_York');
  model.form.set('date', '2024-07-01');
  model.form.set('start', '09:00');
  model.form.set('duration', 45);
  expect(await model.create()).not.toBeNull();
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
  expect(await model.create()).toBeNull();
  expect(model.form.$problems.get().start?.key).toBe('schedule.past');
  expect(createMeeting).not.toHaveBeenCalled();
});
