import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from '../api';
import type { MeetingPage, MeetingRow } from '../api/platform';
import { Agenda, group } from './agenda';

const NOW = new Date('2024-01-20T10:00:00Z');

const row = (
  title: string,
  start: string | null,
  status: MeetingRow['status'] = 'scheduled',
): MeetingRow => ({
  id: `meeting-${title}`,
  meeting_id: '123-456-789',
  title,
  scheduled_start_time: start,
  scheduled_end_time: null,
  status,
  participant_count: 0,
  max_participants: 50,
  host_user_id: 'ann',
  created_at: '2024-01-01T00:00:00Z',
});

const page = (...meetings: MeetingRow[]) => ({ meetings }) as MeetingPage;

beforeEach(() => void vi.useFakeTimers({ now: NOW }));
afterEach(() => void vi.useRealTimers());

test('meetings are grouped by day, those that run first, those without a time last', () => {
  const groups = group(
    [
      row('whenever', null),
      row('friday', '2024-01-26T09:00:00Z'),
      row('later', '2024-01-20T15:00:00Z'),
      row('soon', '2024-01-20T11:00:00Z'),
      row('tomorrow', '2024-01-21T09:00:00Z'),
      row('running', '2024-01-19T09:00:00Z', 'active'),
    ],
    NOW,
    'UTC',
  );
  expect(groups.map(({ when, meetings }) => [when, ...meetings.map((meeting) => meeting.title)])).toEqual([
    ['now', 'running'],
    ['today', 'soon', 'later'],
    ['tomorrow', 'tomorrow'],
    ['day', 'friday'],
    ['any', 'whenever'],
  ]);
});

test('a day is the day of the zone', () => {
  const [only] = group([row('late', '2024-01-20T23:30:00Z')], NOW, 'Europe/Berlin');
  expect(only?.when).toBe('tomorrow');
});

function agenda() {
  const platform = { meetings: vi.fn(), createMeeting: vi.fn(), deleteMeeting: vi.fn() };
  platform.meetings.mockImplementation(async ({ status }) =>
    page(...(status === 'active' ? [] : [row('a', null)])),
  );
  const notices = { say: vi.fn(), warn: vi.fn() };
  const model = new Agenda({ api: { platform }, session: { profile: null }, notices }, () => NOW);
  return { model, platform, notices };
}

test('what was read stays when it cannot be read again', async () => {
  const { model, platform } = agenda();
  await model.refresh();
  platform.meetings.mockRejectedValue(new ApiError({ status: 0, code: 'NETWORK', message: '' }));
  await model.refresh();
  expect(model.$state.get().status).toBe('ready');
  model.dispose();
});

test('a meeting is started once, however often the button is pressed', async () => {
  const { model, platform } = agenda();
  platform.createMeeting.mockResolvedValue({ meeting_id: '123-456-789' });
  expect(await Promise.all([model.startNow('Hi'), model.startNow('Hi')])).toEqual(['123-456-789', null]);
  expect(platform.createMeeting).toHaveBeenCalledTimes(1);
  model.dispose();
});

test('a meeting that cannot be started is said', async () => {
  const { model, platform, notices } = agenda();
  platform.createMeeting.mockRejectedValue(
    new ApiError({ status: 503, code: 'SERVICE_UNAVAILABLE', message: '' }),
  );
  expect(await model.startNow('Hi')).toBeNull();
  expect(notices.warn).toHaveBeenCalledWith({ key: 'error.busy' });
  model.dispose();
});

test('it is read again every minute until it is let go', async () => {
  const { model, platform } = agenda();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(platform.meetings).toHaveBeenCalledTimes(4);
  model.dispose();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(platform.meetings).toHaveBeenCalledTimes(4);
});
