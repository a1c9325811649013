import type { Meeting } from '../api/platform';
import type { Translator } from '../i18n/i18n';
import { calendarFile } from './ics';
import { deviceZone, knownZone } from './time';

/** A meeting of which no end is known lasts so long in calendars, in milliseconds. */
const HOUR = 3_600_000;

type Invited = Pick<
  Meeting,
  | 'id'
  | 'meeting_id'
  | 'title'
  | 'description'
  | 'scheduled_start_time'
  | 'scheduled_end_time'
  | 'timezone'
  | 'passcode'
> & { created_at: string; updated_at?: string };

/** What is sent to those who shall come. */
export class Invitation {
  /** Where they join: by the name under which this person reached the server. */
  readonly link: string;

  constructor(
    private readonly meeting: Invited,
    origin: string,
  ) {
    this.link = new URL(`/meeting/${meeting.meeting_id}`, origin).href;
  }

  /** When it is, by the clocks of its own zone, with the zone's name; `null`: at no certain time. */
  when({ format }: Pick<Translator, 'format'>): string | null {
    const { start } = this;
    if (!start) return null;
    const zone = this.zone;
    const day = format(start, { dateStyle: 'full', timeZone: zone });
    const clock = (date: Date, more: Intl.DateTimeFormatOptions = {}) =>
      format(date, { hour: 'numeric', minute: '2-digit', timeZone: zone, ...more });
    const until = this.end ? ` – ${clock(this.end)}` : '';
    return `${day}, ${clock(start)}${until} (${zone.replaceAll('_', ' ')})`;
  }

  /** To be pasted into a mail or a message. */
  text(i18n: Pick<Translator, 't' | 'format'>): string {
    const { t } = i18n;
    const { title, description, meeting_id, passcode } = this.meeting;
    const when = this.when(i18n);
    const lines = [
      t('home.inviteTo', { title }),
      ...(when ? [when] : []),
      '',
      t('home.inviteLink', { link: this.link }),
      t('home.inviteCode', { code: meeting_id }),
      ...(passcode ? [t('home.invitePasscode', { passcode })] : []),
      ...(description ? ['', description] : []),
    ];
    return lines.join('\n');
  }

  /** A calendar file; `null` for a meeting at no certain time. */
  file(i18n: Pick<Translator, 't' | 'format'>, now?: Date): { name: string; content: string } | null {
    const { start, meeting } = this;
    if (!start) return null;
    const changed = Date.parse(meeting.updated_at ?? meeting.created_at) - Date.parse(meeting.created_at);
    const content = calendarFile(
      {
        uid: `${meeting.id}@${new URL(this.link).hostname}`,
        sequence: Math.max(0, Math.floor(changed / 1000)),
        title: meeting.title,
        description: this.text(i18n),
        url: this.link,
        start,
        end: this.end ?? new Date(start.getTime() + HOUR),
        zone: this.zone,
      },
      now,
    );
    return { name: `${meeting.title.replace(/[^\p{L}\p{N} _-]/gu, '').trim() || 'meeting'}.ics`, content };
  }

  private get start(): Date | null {
    const time = this.meeting.scheduled_start_time;
    return time ? new Date(time) : null;
  }

  private get end(): Date | null {
    const time = this.meeting.scheduled_end_time;
    return time ? new Date(time) : null;
  }

  /** A meeting made by another client may say `UTC` only because nobody asked. */
  private get zone(): string {
    return this.meeting.timezone === 'UTC' ? deviceZone() : knownZone(this.meeting.timezone);
  }
}
