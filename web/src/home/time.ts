/** The device's time zone, as an IANA name. */
export const deviceZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The zone, or the device's where this browser does not know it: other clients, and newer browsers, name more. */
export function knownZone(zone: string): string {
  return [zone, deviceZone()].find(isKnown) ?? 'UTC';
}

function isKnown(zone: string): boolean {
  try {
    clockOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** All time zones that the browser knows, and the given one. */
export function timeZones(including: string): string[] {
  return [...new Set([...Intl.supportedValuesOf('timeZone'), 'UTC', including])].sort();
}

/** The date in a time zone, as `2024-01-20`. */
export function dateIn(zone: string, date: Date): string {
  const { year, month, day } = partsIn(zone, date);
  return `${year}-${month}-${day}`;
}

/** The time of day in a time zone, as `15:00`. */
export function clockIn(zone: string, date: Date): string {
  const { hour, minute } = partsIn(zone, date);
  return `${hour}:${minute}`;
}

/**
 * The moment at which a zone's clocks show this date (`2024-01-20`) and time (`15:00`). A time that is skipped when
 * clocks go forward is read with the offset before; of one that comes twice the first counts.
 */
export function moment(date: string, clock: string, zone: string): Date {
  const wall = Date.parse(`${date}T${clock}:00Z`);
  const day = 86_400_000;
  const before = wall - offsetOf(zone, new Date(wall - day));
  const after = wall - offsetOf(zone, new Date(wall + day));
  const fits = [before, after].filter((time) => time + offsetOf(zone, new Date(time)) === wall);
  return new Date(fits.length > 0 ? Math.min(...fits) : before);
}

/** How far a zone's clocks are ahead of UTC at a moment, in milliseconds. */
export function offsetOf(zone: string, date: Date): number {
  const { year, month, day, hour, minute, second } = partsIn(zone, date);
  const wall = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return wall - Math.floor(date.getTime() / 1000) * 1000;
}

type Part = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second';

function partsIn(zone: string, date: Date): Record<Part, string> {
  const parts = clockOf(zone)
    .formatToParts(date)
    .map(({ type, value }) => [type, value] as const);
  return Object.fromEntries(parts) as Record<Part, string>;
}

/** Making one takes long, and they are asked often: they are kept. */
const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(zone: string): Intl.DateTimeFormat {
  const known = clocks.get(zone);
  if (known) return known;
  const clock = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  clocks.set(zone, clock);
  return clock;
}
