import type { Api } from '../api';
import type { Meeting, MeetingDetails, NewMeeting } from '../api/platform';
import { text } from '../i18n/i18n';
import type { Session } from '../session/session';
import { Form, type Problems } from '../store/form';
import type { Notices } from '../ui/notices';
import { clockIn, dateIn, deviceZone, knownZone, moment, timeZones } from './time';

export interface Plan {
  title: string;
  description: string;
  /** `2024-01-20`. */
  date: string;
  /** `15:00`. */
  start: string;
  /** Minutes. */
  duration: number;
  timeZone: string;
  waitingRoom: boolean;
  passcode: boolean;
  /** The host's own; empty: six digits are made. */
  ownPasscode: string;
  beforeHost: boolean;
  recording: boolean;
  autoRecording: boolean;
  chat: boolean;
  screenShare: boolean;
  /** As it was typed. */
  participants: string;
}

/** Lengths to choose from, in minutes. */
const DURATIONS: readonly number[] = [15, 30, 45, 60, 90, 120, 180, 240];
const MINUTE = 60_000;
/** What the server takes. */
const MOST_PARTICIPANTS = 10_000;

interface Services {
  api: { platform: Pick<Api['platform'], 'createMeeting' | 'updateMeeting' | 'meeting'> };
  session: Pick<Session, 'profile'>;
  notices: Pick<Notices, 'say'>;
}

/** A meeting in the making, or one that is changed. */
export class Schedule {
  readonly form: Form<Plan>;
  readonly timeZones: readonly string[];
  /** In minutes; the one of the meeting is among them. */
  readonly durations: readonly number[];

  constructor(
    private readonly services: Services,
    /** The meeting to change; `null`: a new one. */
    readonly before: MeetingDetails | null = null,
    private readonly now: () => Date = () => new Date(),
  ) {
    const initial = before
      ? planOf(before, this.ownZone(before.timezone), now())
      : newPlan(this.ownZone(services.session.profile?.timezone), now());
    this.timeZones = timeZones(initial.timeZone);
    this.durations = [...new Set([...DURATIONS, initial.duration])].sort((a, b) => a - b);
    this.form = new Form<Plan>({
      initial,
      check: (plan) => this.check(plan),
      refused: (error) =>
        error.field === 'title' ? { title: text('error.invalid', { detail: error.message }) } : null,
    });
  }

  /** The moment that is chosen; `null` while it is not a whole one. */
  startOf({ date, start, timeZone }: Pick<Plan, 'date' | 'start' | 'timeZone'>): Date | null {
    return date && start ? moment(date, start, timeZone) : null;
  }

  /** Answers with the meeting as it is then, or `null` where something is wrong. */
  async save(): Promise<Meeting | null> {
    const { platform } = this.services.api;
    let saved: Meeting | null = null;
    await this.form.submit(async (plan) => {
      if (this.before) {
        await platform.updateMeeting(this.before.id, this.change(plan));
        saved = await platform.meeting(this.before.id);
        this.services.notices.say(text('schedule.changed', { title: saved.title }));
      } else {
        saved = await platform.createMeeting(this.request(plan));
        this.services.notices.say(text('schedule.done', { title: saved.title }));
      }
    });
    return saved;
  }

  private request(plan: Plan): NewMeeting {
    const start = moment(plan.date, plan.start, plan.timeZone);
    const own = plan.passcode ? plan.ownPasscode.trim() : '';
    return {
      title: plan.title.trim(),
      description: plan.description.trim() || null,
      scheduled_start_time: start.toISOString(),
      scheduled_end_time: new Date(start.getTime() + plan.duration * MINUTE).toISOString(),
      timezone: plan.timeZone,
      ...(own ? { passcode: own } : {}),
      settings: {
        waiting_room_enabled: plan.waitingRoom,
        require_password: plan.passcode,
        allow_join_before_host: plan.beforeHost,
        recording_enabled: plan.recording,
        auto_recording: plan.recording && plan.autoRecording,
        chat_enabled: plan.chat,
        screen_sharing_enabled: plan.screenShare,
        max_participants: Number(plan.participants),
      },
    };
  }

  /** What was emptied is sent as an empty text: what is left out would stay. */
  private change(plan: Plan): Partial<NewMeeting> {
    const request = this.request(plan);
    const emptied = this.before?.passcode && plan.passcode && !request.passcode;
    return { ...request, ...(emptied ? { passcode: '' } : {}), description: request.description ?? '' };
  }

  private check(plan: Plan): Problems<Plan> {
    const problems: Problems<Plan> = {};
    if (!plan.title.trim()) problems.title = text('accounts.required');
    if (!plan.date) problems.date = text('accounts.required');
    if (!plan.start) problems.start = text('accounts.required');
    const start = this.startOf(plan);
    const moved = start?.toISOString() !== beginningOf(this.before);
    if (start && moved && start <= this.now()) problems.start = text('schedule.past');
    const participants = Number(plan.participants);
    if (!Number.isInteger(participants) || participants < 2 || participants > MOST_PARTICIPANTS) {
      problems.participants = text('schedule.participantsRange', { most: MOST_PARTICIPANTS });
    }
    return problems;
  }

  /** `UTC` is what a profile says of which nobody ever chose a zone. */
  private ownZone(zone: string | undefined): string {
    return zone && zone !== 'UTC' ? knownZone(zone) : deviceZone();
  }
}

/** When a meeting was to begin, as the clock's text. */
const beginningOf = (meeting: MeetingDetails | null): string | undefined =>
  meeting?.scheduled_start_time ? new Date(meeting.scheduled_start_time).toISOString() : undefined;

function newPlan(timeZone: string, now: Date): Plan {
  const start = nextHalfHour(now);
  return {
    title: '',
    description: '',
    date: dateIn(timeZone, start),
    start: clockIn(timeZone, start),
    duration: 30,
    timeZone,
    waitingRoom: false,
    passcode: false,
    ownPasscode: '',
    beforeHost: false,
    recording: false,
    autoRecording: false,
    chat: true,
    screenShare: true,
    participants: '50',
  };
}

function planOf(meeting: MeetingDetails, timeZone: string, now: Date): Plan {
  const { settings } = meeting;
  const start = meeting.scheduled_start_time ? new Date(meeting.scheduled_start_time) : nextHalfHour(now);
  const end = meeting.scheduled_end_time ? new Date(meeting.scheduled_end_time) : null;
  return {
    title: meeting.title,
    description: meeting.description ?? '',
    date: dateIn(timeZone, start),
    start: clockIn(timeZone, start),
    duration: end ? Math.round((end.getTime() - start.getTime()) / MINUTE) : 60,
    timeZone,
    waitingRoom: settings.waiting_room_enabled,
    passcode: settings.require_password || meeting.passcode !== null,
    ownPasscode: meeting.passcode ?? '',
    beforeHost: settings.allow_join_before_host,
    recording: settings.recording_enabled,
    autoRecording: settings.auto_recording,
    chat: settings.chat_enabled,
    screenShare: settings.screen_sharing_enabled,
    participants: String(settings.max_participants),
  };
}

function nextHalfHour(now: Date): Date {
  const half = 30 * MINUTE;
  return new Date((Math.floor(now.getTime() / half) + 1) * half);
}
