import { expect, test } from 'vitest';
import { type CalendarEvent, calendarFile, transitions } from './ics';

const HOUR = 3_600_000;
const year = (zone: string, of: number) =>
  transitions(zone, new Date(Date.UTC(of, 0, 1)), new Date(Date.UTC(of + 1, 0, 1))).map(
    ({ at, from, to }) => [at.toISOString().slice(0, 19), from / HOUR, to / HOUR] as const,
  );

test.each([
  [
    'Europe/Berlin',
    2026,
    [
      ['2026-03-29T01:00:00', 1, 2],
      ['2026-10-25T01:00:00', 2, 1],
    ],
  ],
  [
    'America/New_York',
    2026,
    [
      ['2026-03-08T07:00:00', -5, -4],
      ['2026-11-01T06:00:00', -4, -5],
    ],
  ],
  [
    'America/Los_Angeles',
    2024,
    [
      ['2024-03-10T10:00:00', -8, -7],
      ['2024-11-03T09:00:00', -7, -8],
    ],
  ],
  [
    'Australia/Sydney',
    2026,
    [
      ['2026-04-04T16:00:00', 11, 10],
      ['2026-10-03T16:00:00', 10, 11],
    ],
  ],
  [
    'Pacific/Auckland',
    2026,
    [
      ['2026-04-04T14:00:00', 13, 12],
      ['2026-09-26T14:00:00', 12, 13],
    ],
  ],
  [
    'Australia/Lord_Howe',
    2026,
    [
      ['2026-04-04T15:00:00', 11, 10.5],
      ['2026-10-03T15:30:00', 10.5, 11],
    ],
  ],
  [
    'America/Santiago',
    2025,
    [
      ['2025-04-06T03:00:00', -3, -4],
      ['2025-09-07T04:00:00', -4, -3],
    ],
  ],
  ['Asia/Kolkata', 2026, []],
  ['America/Sao_Paulo', 2026, []],
] as const)('the clocks of %s change in %i as is known', (zone, of, known) => {
  expect(year(zone, of)).toEqual(known);
});

const event: CalendarEvent = {
  uid: 'meeting-1@meet.example',
  sequence: 3,
  title: 'Retro; with, cake \\ tea',
  description: `First line\nSecond: ${'ü'.repeat(60)}`,
  url: 'https://meet.example/meeting/123-456-789',
  start: new Date('2026-03-30T13:00:00Z'),
  end: new Date('2026-03-30T13:30:00Z'),
  zone: 'Europe/Berlin',
};
const NOW = new Date('2026-03-01T08:00:00Z');
const unfolded = (file: string) => file.replaceAll('\r\n ', '').split('\r\n');

test('a file says when it is, by the clocks of its zone and by their rules', () => {
  const lines = unfolded(calendarFile(event, NOW));
  expect(lines).toContain('DTSTART;TZID=Europe/Berlin:20260330T150000');
  expect(lines).toContain('DTEND;TZID=Europe/Berlin:20260330T153000');
  expect(lines).toContain('DTSTAMP:20260301T080000Z');
  const zone = lines.slice(lines.indexOf('BEGIN:VTIMEZONE'), lines.indexOf('END:VTIMEZONE') + 1);
  expect(zone.slice(0, 2)).toEqual(['BEGIN:VTIMEZONE', 'TZID:Europe/Berlin']);
  const onset = zone.indexOf('DTSTART:20260329T020000');
  expect(zone.slice(onset - 1, onset + 5)).toEqual([
    'BEGIN:DAYLIGHT',
    'DTSTART:20260329T020000',
    'TZOFFSETFROM:+0100',
    'TZOFFSETTO:+0200',
    expect.stringMatching(/^TZNAME:/),
    'END:DAYLIGHT',
  ]);
  expect(zone).toContain('DTSTART:20261025T030000');
});

test('in the southern hemisphere the summer is the other half of the year', () => {
  const start = new Date('2026-01-10T00:00:00Z');
  const lines = unfolded(calendarFile({ ...event, zone: 'Australia/Sydney', start, end: start }, NOW));
  expect(lines).toContain('DTSTART;TZID=Australia/Sydney:20260110T110000');
  const onset = lines.indexOf('DTSTART:20251005T020000');
  expect(lines[onset - 1]).toBe('BEGIN:DAYLIGHT');
  expect(lines[lines.indexOf('DTSTART:20260405T030000') - 1]).toBe('BEGIN:STANDARD');
});

test('a zone that never changes has one rule; UTC needs none', () => {
  const lines = unfolded(calendarFile({ ...event, zone: 'Asia/Kolkata' }, NOW));
  expect(lines.filter((line) => line.startsWith('TZOFFSET'))).toEqual([
    'TZOFFSETFROM:+0530',
    'TZOFFSETTO:+0530',
  ]);
  expect(lines).toContain('DTSTART;TZID=Asia/Kolkata:20260330T183000');
  const utc = calendarFile({ ...event, zone: 'UTC' }, NOW);
  expect(utc).not.toContain('VTIMEZONE');
  expect(utc).toContain('DTSTART:20260330T130000Z\r\n');
});

test('texts are escaped, and lines are folded at 75 octets without cutting a letter', () => {
  const file = calendarFile(event, NOW);
  expect(unfolded(file)).toContain('SUMMARY:Retro\\; with\\, cake \\\\ tea');
  expect(unfolded(file)).toContain(`DESCRIPTION:First line\\nSecond: ${'ü'.repeat(60)}`);
  const octets = file.split('\r\n').map((line) => new TextEncoder().encode(line).length);
  expect(Math.max(...octets)).toBeLessThanOrEqual(75);
  expect(file.endsWith('END:VCALENDAR\r\n')).toBe(true);
});
