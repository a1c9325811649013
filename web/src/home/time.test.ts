import { expect, test } from 'vitest';
import { clockIn, dateIn, moment, offsetOf } from './time';

test.each([
  ['2024-01-20', '15:00', 'Europe/Berlin', '2024-01-20T14:00:00.000Z'],
  ['2024-07-20', '15:00', 'Europe/Berlin', '2024-07-20T13:00:00.000Z'],
  ['2024-07-20', '00:15', 'Pacific/Auckland', '2024-07-19T12:15:00.000Z'],
  ['2024-07-20', '09:00', 'Asia/Kolkata', '2024-07-20T03:30:00.000Z'],
  ['2024-07-20', '09:00', 'UTC', '2024-07-20T09:00:00.000Z'],
])('%s %s in %s is %s', (date, clock, zone, expected) => {
  expect(moment(date, clock, zone).toISOString()).toBe(expected);
});

test('a time that comes twice is the first of the two', () => {
  expect(moment('2024-10-27', '02:30', 'Europe/Berlin').toISOString()).toBe('2024-10-27T00:30:00.000Z');
});

test('a time that is skipped is as long after the last that is not', () => {
  expect(moment('2024-03-31', '02:30', 'Europe/Berlin').toISOString()).toBe('2024-03-31T01:30:00.000Z');
});

test('date and clock of a zone', () => {
  const date = new Date('2024-01-20T23:30:00Z');
  expect([dateIn('Europe/Berlin', date), clockIn('Europe/Berlin', date)]).toEqual(['2024-01-21', '00:30']);
  expect(offsetOf('America/New_York', date)).toBe(-5 * 3_600_000);
});
