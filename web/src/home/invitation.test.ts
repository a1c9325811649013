import { expect, test } from 'vitest';
import { Translator } from '../i18n/i18n';
import { catalog } from '../i18n/messages/en';
import { Invitation } from './invitation';
import { deviceZone } from './time';

const i18n = new Translator('en', catalog, 'en-GB');
const meeting = {
  id: 'meeting-1',
  meeting_id: '123-456-789',
  title: 'Retro: Q1/Q2',
  description: 'Bring cake.',
  scheduled_start_time: '2026-07-01T13:00:00Z' as string | null,
  scheduled_end_time: '2026-07-01T13:45:00Z',
  timezone: 'America/New_York',
  passcode: '424242' as string | null,
  created_at: '2026-01-01T00:00:00Z',
};

test('it says what, when by which clocks, where, and with which passcode', () => {
  expect(new Invitation(meeting, 'https://meet.example/home').text(i18n).split('\n')).toEqual([
    'You are invited to “Retro: Q1/Q2”.',
    expect.stringMatching(/^Wednesday,? 1 July 2026, 0?9:00 – 0?9:45 \(America\/New York\)$/),
    '',
    'Join: https://meet.example/meeting/123-456-789',
    'Code: 123-456-789',
    'Passcode: 424242',
    '',
    'Bring cake.',
  ]);
});

test('without time and passcode it says less, and there is nothing for a calendar', () => {
  const open = { ...meeting, scheduled_start_time: null, passcode: null, description: null };
  const invitation = new Invitation(open, 'https://meet.example');
  expect(invitation.text(i18n).split('\n')).toHaveLength(4);
  expect(invitation.file(i18n)).toBeNull();
});

test('the calendar file is of the meeting, and of its latest change', () => {
  const changed = { ...meeting, updated_at: '2026-01-01T00:01:00Z' };
  const file = new Invitation(changed, 'https://meet.example').file(i18n);
  expect(file?.name).toBe('Retro Q1Q2.ics');
  for (const line of [
    'UID:meeting-1@meet.example',
    'SEQUENCE:60',
    'DTSTART;TZID=America/New_York:20260701T090000',
  ]) {
    expect(file?.content).toContain(`${line}\r\n`);
  }
});

test.each(['CEST', 'GMT+2', 'America/Not_Yet_Known'])(
  'a zone that is not known here, %s: the device’s',
  (timezone) => {
    const zone = deviceZone();
    const foreign = new Invitation({ ...meeting, timezone }, 'https://meet.example');
    const own = new Invitation({ ...meeting, timezone: zone }, 'https://meet.example');
    expect(foreign.text(i18n)).toBe(own.text(i18n));
    expect(foreign.when(i18n)).toContain(`(${zone.replaceAll('_', ' ')})`);
    const made = new Date('2026-01-01T00:00:00Z');
    expect(foreign.file(i18n, made)).toEqual(own.file(i18n, made));
  },
);
