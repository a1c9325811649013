import type { Api } from '../api';
import type { Meeting } from '../api/platform';
import { text } from '../i18n/i18n';
import type { Session } from '../session/session';
import { Form, type Problems } from '../store/form';
import type { Notices } from '../ui/notices';
import { clockIn, dateIn, deviceZone, moment, timeZones } from './time';

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
  beforeHost: boolean;
  recording: boolean;
  screenShare: boolean;
}

/** Lengths to choose from, in minutes. */
export const DURATIONS = [15, 30, 45, 60, 90, 120, 180, 240] as const;

interface Services {
  api: { platform: Pick<Api['platform'], 'createMeeting'> };
  session: Pick<Session, 'profile'>;
  notices: Pick<Notices, 'say'>;
}

/** A meeting in the making. */
export class Schedule {
  readonly form: Form<Plan>;
  readonly timeZones: readonly string[];

  constructor(
    private readonly services: Services,
    private readonly now: () => Date = () => new Date(),
  ) {
    const profileZone = services.session.profile?.timezone;
    const timeZone = profileZone && profileZone !== 'UTC' ? profileZone : deviceZone();
    const start = nextHalfHour(now());
    this.timeZones = timeZones(timeZone);
    this.form = new Form<Plan>({
      initial: {
        title: '',
        description: '',
        date: dateIn(timeZone, start),
        start: clockIn(timeZone, start),
        duration: 30,
        timeZone,
        waitingRoom: false,
        passcode: false,
        beforeHost: false,
        recording: false,
        screenShare: true,
      },
      check: (plan) => this.check(plan),
      refused: (error) =>
        error.field === 'title' ? { title: text('error.invalid', { detail: error.message }) } : null,
    });
  }

  /** Answers with the meeting, or `null` where something is wrong. */
  async create(): Promise<Meeting | null> {
    let made: Meeting | null = null;
    await this.form.submit(async (plan) => {
      const start = moment(plan.date, plan.start, plan.timeZone);
      made = await this.services.api.platform.createMeeting({
        title: plan.title.trim(),
        description: plan.description.trim() || null,
        scheduled_start_time: start.toISOString(),
        scheduled_end_time: new Date(start.getTime() + plan.duration * 60_000).toISOString(),
        timezone: plan.timeZone,
        settings: {
          waiting_room_enabled: plan.waitingRoom,
          require_password: plan.passcode,
          allow_join_before_host: plan.beforeHost,
          recording_enabled: plan.recording,
          screen_sharing_enabled: plan.screenShare,
        },
      });
      this.services.notices.say(text('schedule.done', { title: made.title }));
    });
    return made;
  }

  private check(plan: Plan): Problems<Plan> {
    const problems: Problems<Plan> = {};
    if (!plan.title.trim()) problems.title = text('accounts.required');
    if (!plan.date) problems.date = text('accounts.required');
    if (!plan.start) problems.start = text('accounts.required');
    if (plan.date && plan.start && moment(plan.date, plan.start, plan.timeZone) <= this.now()) {
      problems.start = text('schedule.past');
    }
    return problems;
  }
}

function nextHalfHour(now: Date): Date {
  const half = 30 * 60_000;
  return new Date((Math.floor(now.getTime() / half) + 1) * half);
}
