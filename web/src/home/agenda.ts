import { atom, type ReadableAtom } from 'nanostores';
import type { Api } from '../api';
import type { MeetingRow } from '../api/platform';
import { explain } from '../i18n/explain';
import { type Text, text } from '../i18n/i18n';
import type { Session } from '../session/session';
import type { Notices } from '../ui/notices';
import { dateIn, deviceZone } from './time';

export interface AgendaGroup {
  /** Unique in the agenda: `now`, `any`, or the day as `2024-01-20`. */
  key: string;
  when: 'now' | 'today' | 'tomorrow' | 'day' | 'any';
  /** The start of the first meeting; of `now` and `any` it says nothing. */
  day: Date;
  meetings: MeetingRow[];
}

export type AgendaState =
  | { status: 'loading' }
  | { status: 'ready'; groups: AgendaGroup[] }
  | { status: 'failed'; problem: Text };

interface Services {
  api: { platform: Pick<Api['platform'], 'meetings' | 'createMeeting' | 'deleteMeeting'> };
  session: Pick<Session, 'profile'>;
  notices: Pick<Notices, 'say' | 'warn'>;
}

/** The agenda is read again this often while it is looked at, in milliseconds. */
const EVERY = 60_000;
/** More meetings than this are not shown: the page would be no agenda. */
const MOST = 100;

/** The meetings that run, and those to come. */
export class Agenda {
  private readonly state = atom<AgendaState>({ status: 'loading' });
  private readonly starting = atom(false);
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(
    private readonly services: Services,
    private readonly now: () => Date = () => new Date(),
  ) {
    void this.refresh();
    this.timer = setInterval(() => globalThis.document?.hidden || void this.refresh(), EVERY);
  }

  get $state(): ReadableAtom<AgendaState> {
    return this.state;
  }

  get $starting(): ReadableAtom<boolean> {
    return this.starting;
  }

  async refresh(): Promise<void> {
    const { platform } = this.services.api;
    const today = dateIn(deviceZone(), this.now());
    try {
      const [active, scheduled] = await Promise.all([
        platform.meetings({ status: 'active', limit: MOST }),
        platform.meetings({ status: 'scheduled', limit: MOST }),
      ]);
      const meetings = [...active.meetings, ...scheduled.meetings.filter((row) => isToCome(row, today))];
      this.state.set({ status: 'ready', groups: group(meetings, this.now(), deviceZone()) });
    } catch (error) {
      // What was read before is better than nothing.
      if (this.state.get().status !== 'ready') this.state.set({ status: 'failed', problem: explain(error) });
    }
  }

  /** Makes a meeting for now. Answers with its code, or `null` when it could not be made. */
  async startNow(title: string): Promise<string | null> {
    if (this.starting.get()) return null;
    this.starting.set(true);
    try {
      return (await this.services.api.platform.createMeeting({ title })).meeting_id;
    } catch (error) {
      this.services.notices.warn(explain(error));
      return null;
    } finally {
      this.starting.set(false);
    }
  }

  async cancel(meeting: MeetingRow): Promise<void> {
    try {
      await this.services.api.platform.deleteMeeting(meeting.id);
      this.services.notices.say(text('home.cancelled'));
    } catch (error) {
      this.services.notices.warn(explain(error));
    }
    await this.refresh();
  }

  isHost(meeting: MeetingRow): boolean {
    return meeting.host_user_id === this.services.session.profile?.id;
  }

  dispose(): void {
    clearInterval(this.timer);
  }
}

/** Of today or later; one without a time is for whenever its host likes. */
function isToCome(meeting: MeetingRow, today: string): boolean {
  const end = meeting.scheduled_end_time ?? meeting.scheduled_start_time;
  return end === null || dateIn(deviceZone(), new Date(end)) >= today;
}

/** Meetings by day, in the order of their start; those that run first, those without a time last. */
export function group(meetings: readonly MeetingRow[], now: Date, zone: string): AgendaGroup[] {
  const today = dateIn(zone, now);
  const tomorrow = dateIn(zone, new Date(now.getTime() + 86_400_000));
  const groups = new Map<string, AgendaGroup>();
  const sorted = [...meetings].sort((a, b) => order(a) - order(b));
  for (const meeting of sorted) {
    const start = meeting.scheduled_start_time;
    const date = start && dateIn(zone, new Date(start));
    const key = meeting.status === 'active' ? 'now' : (date ?? 'any');
    const when =
      key === 'now' || key === 'any' ? key : key <= today ? 'today' : key === tomorrow ? 'tomorrow' : 'day';
    const known = groups.get(when === 'today' ? today : key);
    if (known) known.meetings.push(meeting);
    else
      groups.set(when === 'today' ? today : key, {
        key,
        when,
        day: start ? new Date(start) : now,
        meetings: [meeting],
      });
  }
  return [...groups.values()];
}

function order(meeting: MeetingRow): number {
  if (meeting.status === 'active') return -1;
  return meeting.scheduled_start_time === null
    ? Number.POSITIVE_INFINITY
    : Date.parse(meeting.scheduled_start_time);
}
