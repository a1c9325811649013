/** Calendar files (RFC 5545) for one meeting, with the rules of its time zone inside. */
import { offsetOf } from './time';

export interface CalendarEvent {
  /** Unique in the world and the same whenever the file is made again: a calendar then updates its entry. */
  uid: string;
  /** Grows with each change. */
  sequence: number;
  title: string;
  description: string;
  /** Where people join. */
  url: string;
  start: Date;
  end: Date;
  /** IANA name. */
  zone: string;
}

/** The whole file. `now`: when it is made. */
export function calendarFile(event: CalendarEvent, now: Date = new Date()): string {
  const utc = isUtc(event.zone);
  const time = (name: string, date: Date) =>
    utc ? `${name}:${stamp(date)}` : `${name};TZID=${event.zone}:${wall(date, offsetOf(event.zone, date))}`;
  const lines = [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:-//Convo//Convo//EN',
    'CALSCALE:GREGORIAN',
    'METHOD:PUBLISH',
    ...(utc ? [] : timeZone(event.zone, event.start, event.end)),
    'BEGIN:VEVENT',
    `UID:${escaped(event.uid)}`,
    `SEQUENCE:${event.sequence}`,
    `DTSTAMP:${stamp(now)}`,
    time('DTSTART', event.start),
    time('DTEND', event.end),
    `SUMMARY:${escaped(event.title)}`,
    `DESCRIPTION:${escaped(event.description)}`,
    `LOCATION:${escaped(event.url)}`,
    `URL:${event.url}`,
    'STATUS:CONFIRMED',
    'TRANSP:OPAQUE',
    'END:VEVENT',
    'END:VCALENDAR',
  ];
  return lines.map((line) => `${folded(line)}\r\n`).join('');
}

/** A change of a zone's clocks. */
export interface Transition {
  at: Date;
  /** How far the clocks are ahead of UTC before and after, in milliseconds. */
  from: number;
  to: number;
}

const DAY = 86_400_000;
/** Rules change about once a year at least where they change at all: so much before and after the meeting is told. */
const AROUND = 400 * DAY;
/** No zone changes its clocks twice within so many days. */
const STEP = 5 * DAY;

/** All changes of a zone's clocks in a time, in their order. */
export function transitions(zone: string, from: Date, to: Date): Transition[] {
  const found: Transition[] = [];
  for (let time = from.getTime(); time < to.getTime(); time += STEP) {
    const [before, after] = [offsetOf(zone, new Date(time)), offsetOf(zone, new Date(time + STEP))];
    if (before !== after) found.push({ at: between(zone, time, time + STEP), from: before, to: after });
  }
  return found;
}

/** The first second with the offset of `late`. */
function between(zone: string, early: number, late: number): Date {
  const offset = offsetOf(zone, new Date(early));
  let [low, high] = [early, late];
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    if (offsetOf(zone, new Date(middle)) === offset) low = middle;
    else high = middle;
  }
  return new Date(high);
}

/** VTIMEZONE: each change of the clocks around the meeting, one by one. So no calendar has to know the zone by name. */
function timeZone(zone: string, start: Date, end: Date): string[] {
  const around = transitions(zone, new Date(start.getTime() - AROUND), new Date(end.getTime() + AROUND));
  const offset = offsetOf(zone, start);
  const all = around.length > 0 ? around : [{ at: new Date(-offset), from: offset, to: offset }];
  const standard = Math.min(...all.map(({ to }) => to));
  return [
    'BEGIN:VTIMEZONE',
    `TZID:${zone}`,
    ...all.flatMap((change) => observance(zone, change, standard)),
    'END:VTIMEZONE',
  ];
}

function observance(zone: string, { at, from, to }: Transition, standard: number): string[] {
  const kind = to > standard ? 'DAYLIGHT' : 'STANDARD';
  return [
    `BEGIN:${kind}`,
    // The onset by the clocks as they were before.
    `DTSTART:${wall(at, from)}`,
    `TZOFFSETFROM:${offsetText(from)}`,
    `TZOFFSETTO:${offsetText(to)}`,
    `TZNAME:${escaped(nameOf(zone, at))}`,
    `END:${kind}`,
  ];
}

function nameOf(zone: string, at: Date): string {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'short' });
  return format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? zone;
}

const isUtc = (zone: string): boolean => /^(UTC|GMT|Etc\/(UTC|GMT|UCT|Zulu))$/i.test(zone);

/** `20240120T150000Z`. */
const stamp = (date: Date): string =>
  date
    .toISOString()
    .replace(/[-:]/g, '')
    .replace(/\.\d+Z$/, 'Z');

/** What clocks show that are so far ahead of UTC: `20240120T150000`. */
const wall = (date: Date, offset: number): string =>
  stamp(new Date(date.getTime() + offset)).replace('Z', '');

/** `+0530`. */
function offsetText(offset: number): string {
  const seconds = Math.abs(offset) / 1000;
  const parts = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) =>
    String(Math.floor(part)).padStart(2, '0'),
  );
  const shown = parts[2] === '00' ? parts.slice(0, 2) : parts;
  return (offset < 0 ? '-' : '+') + shown.join('');
}

/** TEXT values (RFC 5545, 3.3.11). */
const escaped = (text: string): string =>
  text
    .replace(/[\\;,]/g, '\\$&')
    .replace(/\r\n|\r|\n/g, '\\n')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be in a calendar file
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '');

/** Lines are at most 75 octets long and go on after a space (3.1); no character is cut apart. */
function folded(line: string): string {
  const encoder = new TextEncoder();
  let [text, octets] = ['', 0];
  for (const letter of line) {
    const size = encoder.encode(letter).length;
    if (octets + size > 75) {
      text += '\r\n ';
      octets = 1;
    }
    text += letter;
    octets += size;
  }
  return text;
}
