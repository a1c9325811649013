import { atom, type ReadableAtom } from 'nanostores';
import type { Api } from '../api';
import { ApiError } from '../api/errors';
import type { Participant } from '../api/platform';
import { explain } from '../i18n/explain';
import type { Text } from '../i18n/i18n';
import { text } from '../i18n/i18n';
import { MeetingLine } from '../live/meeting';
import type { Session } from '../session/session';
import { stored } from '../store/stored';
import type { Notices } from '../ui/notices';
import { Devices } from './before/devices';
import { Mirror } from './before/mirror';
import { enter, giveBack, type Ticket } from './entry';
import { Call, type Farewell } from './inside/call';
import type { Wanted } from './inside/media';

export type Phase =
  | { at: 'lobby' }
  /** At the door, until somebody opens it. */
  | { at: 'waiting'; ticket: Ticket }
  | { at: 'denied' }
  | { at: 'inside'; call: Call }
  | { at: 'after'; farewell: Farewell }
  /** There is no such meeting, or no longer. */
  | { at: 'nowhere'; problem: Text };

/** What is known of the meeting before one is in. */
export interface Outlook {
  /** `null`: only who has an account is told. */
  title: string | null;
  /** How many are inside; `null`: not known. */
  inside: number | null;
  /** Who is inside, for those who may know. */
  names: readonly string[];
  /** Whether a host opens the door. */
  waitingRoom: boolean;
  passcode: boolean;
}

const UNKNOWN: Outlook = { title: null, inside: null, names: [], waitingRoom: false, passcode: false };

interface Services {
  api: Pick<Api, 'platform' | 'guest'>;
  session: Pick<Session, 'profile' | 'state'>;
  notices: Pick<Notices, 'say' | 'warn'>;
}

/** What a visit is made of; tests bring their own. */
export interface Parts {
  devices: Devices;
  line: (...args: ConstructorParameters<typeof MeetingLine>) => MeetingLine;
  call: (...args: ConstructorParameters<typeof Call>) => Call;
}

const REAL: Omit<Parts, 'devices'> = {
  line: (...args) => new MeetingLine(...args),
  call: (...args) => new Call(...args),
};

/**
 * Who is inside is looked up again after so long while one stands before the door, then less and less often; in
 * milliseconds. All who come from one address without an account share what it may ask in an hour.
 */
const FIRST_LOOK = 30_000;
const LAST_LOOK = 60_000;

/** A visit to a meeting: before, at the door, inside, after. */
export class Visit {
  readonly devices: Devices;
  readonly mirror: Mirror;
  /** The guest's name, remembered on this device. */
  readonly $name: ReturnType<typeof stored<string>>;
  readonly $passcode = atom('');
  private readonly phase = atom<Phase>({ at: 'lobby' });
  private readonly outlook = atom<Outlook>(UNKNOWN);
  private readonly problem = atom<Text | null>(null);
  private readonly nameProblem = atom<Text | null>(null);
  private readonly passcodeProblem = atom<Text | null>(null);
  private readonly asksPasscode = atom(false);
  private readonly busy = atom(false);
  private readonly parts: Parts;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private pause = FIRST_LOOK;
  private doorLine: MeetingLine | null = null;
  private prepared = false;
  private over = false;

  constructor(
    private readonly services: Services,
    readonly code: string,
    parts: Partial<Parts> = {},
  ) {
    this.parts = { devices: parts.devices ?? new Devices(), ...REAL, ...parts };
    this.devices = this.parts.devices;
    this.mirror = new Mirror(this.devices);
    // Where there is no way in nobody sees themselves any more, so nothing would say that they are still on.
    this.phase.listen(({ at }) => (at === 'denied' || at === 'nowhere') && this.mirror.rest());
    this.$name = stored('convo.guestName', '', (value) => (typeof value === 'string' ? value : ''));
    void this.look();
    this.lookLater();
    globalThis.document?.addEventListener('visibilitychange', this.seen);
  }

  get $phase(): ReadableAtom<Phase> {
    return this.phase;
  }

  get $outlook(): ReadableAtom<Outlook> {
    return this.outlook;
  }

  /** Why one did not get in. */
  get $problem(): ReadableAtom<Text | null> {
    return this.problem;
  }

  get $nameProblem(): ReadableAtom<Text | null> {
    return this.nameProblem;
  }

  get $passcodeProblem(): ReadableAtom<Text | null> {
    return this.passcodeProblem;
  }

  /** Whether the meeting wants a passcode that this person was not seen to need before. */
  get $asksPasscode(): ReadableAtom<boolean> {
    return this.asksPasscode;
  }

  get $busy(): ReadableAtom<boolean> {
    return this.busy;
  }

  /** What others will call one. */
  get name(): string {
    return (this.services.session.profile?.display_name ?? this.$name.get()).trim();
  }

  get isGuest(): boolean {
    return this.services.session.profile === null;
  }

  /** Turns on what the person likes to come in with; the second time, what they chose the first time. */
  async prepare(): Promise<void> {
    // React may be about to take the page away that asks.
    if (this.phase.get().at !== 'lobby') return;
    const defaults = this.services.session.profile?.meeting_settings;
    const first = !this.prepared;
    this.prepared = true;
    const wants = (kind: 'camera' | 'microphone', usual = true) => (first ? usual : this.mirror.wants(kind));
    await Promise.all([
      this.mirror.set('microphone', wants('microphone', defaults?.default_audio_enabled)),
      this.mirror.set('camera', wants('camera', defaults?.default_video_enabled)),
    ]);
  }

  async join(): Promise<void> {
    if (this.busy.get()) return;
    const { name } = this;
    this.nameProblem.set(name ? null : text('meeting.nameNeeded'));
    if (!name) return;
    this.busy.set(true);
    this.problem.set(null);
    this.passcodeProblem.set(null);
    const [camera, microphone] = [this.mirror.wants('camera'), this.mirror.wants('microphone')];
    const passcode = this.$passcode.get().trim();
    try {
      const application = { code: this.code, name, passcode, camera, microphone };
      const ticket = await enter(this.services.api, this.isGuest, application);
      // The page went away meanwhile, so nobody would ever turn camera and microphone off again.
      if (this.over) giveBack(this.services.api, ticket);
      else if (ticket.status === 'waiting') this.wait(ticket);
      else this.goIn(ticket);
    } catch (error) {
      this.refused(error, passcode);
    } finally {
      this.busy.set(false);
    }
  }

  /** Back to where one may come in. */
  again(): void {
    this.problem.set(null);
    this.phase.set({ at: 'lobby' });
    void this.look();
  }

  /** Goes away from the door. */
  giveUp(): void {
    this.doorLine?.send({ type: 'leave_meeting', data: {} });
    this.shutDoor();
    this.again();
  }

  dispose(): void {
    this.over = true;
    clearTimeout(this.timer);
    globalThis.document?.removeEventListener('visibilitychange', this.seen);
    this.shutDoor();
    this.mirror.dispose();
    this.devices.dispose();
    const phase = this.phase.get();
    if (phase.at === 'inside') phase.call.dispose();
  }

  private lookLater(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.lookAgain();
      this.lookLater();
    }, this.pause);
    this.pause = Math.min(this.pause * 1.25, LAST_LOOK);
  }

  /** Nobody looks at a page that is hidden. */
  private lookAgain(): void {
    if (this.phase.get().at === 'lobby' && !globalThis.document?.hidden) void this.look();
  }

  private readonly seen = (): void => {
    if (globalThis.document?.hidden) return;
    this.lookAgain();
    this.pause = FIRST_LOOK;
    this.lookLater();
  };

  private async look(): Promise<void> {
    try {
      this.outlook.set(await (this.isGuest ? this.lookAsGuest() : this.lookAsPerson()));
      if (this.outlook.get().passcode) this.asksPasscode.set(true);
    } catch (error) {
      if (error instanceof ApiError && GONE.has(error.code) && this.phase.get().at === 'lobby') {
        this.phase.set({ at: 'nowhere', problem: explain(error) });
      }
    }
  }

  private async lookAsPerson(): Promise<Outlook> {
    const meeting = await this.services.api.platform.meeting(this.code);
    if (meeting.status === 'ended' || meeting.status === 'cancelled') {
      throw new ApiError({ status: 400, code: 'MEETING_ENDED', message: 'Meeting has ended' });
    }
    const isHost = meeting.host_user_id === this.services.session.profile?.id;
    const inside = meeting.participants.filter(({ status }) => status === 'joined');
    const known = meeting.participants.some(({ user_id }) => user_id === this.services.session.profile?.id);
    return {
      title: meeting.title,
      inside: meeting.current_participant_count,
      names: inside.map(({ display_name }) => display_name),
      waitingRoom: meeting.settings.waiting_room_enabled && !isHost,
      // Who was in before is not asked again; whether that is so only the server knows.
      passcode: meeting.settings.require_password && !isHost && !known,
    };
  }

  private async lookAsGuest(): Promise<Outlook> {
    const { guest } = this.services.api;
    // Of meetings by link whoever has the link may know who is inside; of others members alone.
    if (!BY_LINK.test(this.code)) {
      return { ...UNKNOWN, inside: (await guest.info(this.code)).num_participants };
    }
    const { participants, count } = await guest.participants(this.code);
    return { ...UNKNOWN, inside: count, names: participants.map(({ name }) => name) };
  }

  private refused(error: unknown, passcode: string): void {
    if (error instanceof ApiError && error.code === 'INVALID_PASSCODE') {
      this.asksPasscode.set(true);
      this.passcodeProblem.set(text(passcode ? 'error.passcode' : 'meeting.passcodeNeeded'));
    } else if (error instanceof ApiError && GONE.has(error.code)) {
      this.phase.set({ at: 'nowhere', problem: explain(error) });
    } else this.problem.set(explain(error));
  }

  /** At the door: the meeting's line tells when it opens. */
  private wait(ticket: Ticket): void {
    this.phase.set({ at: 'waiting', ticket });
    const line = this.parts.line(this.services.api.platform, ticket.code, async () => ticket.token);
    this.doorLine = line;
    // A line says what was on its way after it is closed too, and is kept for a little after one went in.
    const waits = () => line === this.doorLine && this.phase.get().at === 'waiting';
    const isMe = (who: Participant) => waits() && who.participant_id === ticket.participantId;
    line.events.on('participant_admitted', (who) => {
      if (isMe(who)) this.goIn({ ...ticket, token: who.meeting_token ?? ticket.token });
    });
    let stood = false;
    line.events.on('connected', ({ status }) => {
      stood = true;
      // Let in while the line was down: the token of the door does not open the media, but a new join does.
      if (waits() && status === 'joined') void this.comeBack();
    });
    line.events.on('participant_denied', (who) => isMe(who) && this.phase.set({ at: 'denied' }));
    line.events.on('meeting_ended', () => {
      if (waits()) this.leaveDoor({ at: 'nowhere', problem: text('error.meetingEnded') });
    });
    line.state.listen((state) => {
      if (state.status !== 'closed' || !waits()) return;
      const spent = state.code === 401 && state.reason === 'AUTHENTICATION_REQUIRED';
      // Of a token that never was good the next one is none either.
      if (spent && stood && this.isStill(ticket)) void this.comeBack();
      else this.turnedAway(ticket, state.code, state.reason);
    });
  }

  /** The line of the waiting room was closed, or could not come back. */
  private turnedAway({ userId }: Ticket, code: number, reason: string): void {
    const loggedOut = code === 4401 || reason === 'AUTHENTICATION_REQUIRED';
    if (loggedOut && userId !== null) this.problem.set(text('error.session'));
    this.leaveDoor(TURNED_AWAY[code] ?? TURNED_AWAY[reason] ?? { at: 'lobby' });
  }

  /** The meeting's token is spent: whoever is still logged in gets another. */
  private async joinAgain(ticket: Ticket, wanted: Wanted, farewell: Farewell): Promise<void> {
    if (this.isStill(ticket)) {
      this.mirror.want(wanted);
      await this.comeBack();
      if (this.isStill(ticket)) return;
    }
    // The server took no log-in either.
    if (!this.over) this.leaveDoor({ at: 'after', farewell });
  }

  /** Whether who got this ticket is logged in. */
  private isStill({ userId }: Ticket): boolean {
    return userId !== null && userId === this.services.session.profile?.id;
  }

  private async comeBack(): Promise<void> {
    this.leaveDoor({ at: 'lobby' });
    await this.join();
  }

  private leaveDoor(phase: Phase): void {
    this.phase.set(phase);
    this.shutDoor();
  }

  private shutDoor(): void {
    const line = this.doorLine;
    this.doorLine = null;
    line?.close();
  }

  private goIn(ticket: Ticket): void {
    const [camera, microphone] = [this.mirror.wants('camera'), this.mirror.wants('microphone')];
    // The meeting opens the devices anew: a camera gives its picture to one at a time on some systems.
    this.mirror.rest();
    const { api, notices } = this.services;
    const onOver = (farewell: Farewell) => this.leaveDoor({ at: 'after', farewell });
    const onSpent = (wanted: Wanted, farewell: Farewell) => void this.joinAgain(ticket, wanted, farewell);
    const call = this.parts.call(
      { api, notices, devices: this.devices },
      { ticket: { ...ticket, status: 'joined' }, camera, microphone, onOver, onSpent },
    );
    this.phase.set({ at: 'inside', call });
    this.closeDoorBehind(call);
  }

  /** The line of the waiting room is let go when the meeting's own stands: else the seat would be given back. */
  private closeDoorBehind(call: Call): void {
    const end = call.line.events.on('connected', () => {
      end();
      this.shutDoor();
    });
  }
}

/** The code of a meeting by link: `abc-defg-hij`. */
const BY_LINK = /^[a-z]{3}-[a-z]{4}-[a-z]{3}$/;

const GONE = new Set<string>(['MEETING_ENDED', 'MEETING_NOT_FOUND', 'RESOURCE_NOT_FOUND']);

/** Where the code leads that the line of the waiting room was closed with, or what one was told who could not come back. */
const TURNED_AWAY: Record<string, Phase> = {
  4403: { at: 'denied' },
  INSUFFICIENT_PERMISSIONS: { at: 'denied' },
  MEETING_ENDED: { at: 'nowhere', problem: text('error.meetingEnded') },
  MEETING_NOT_FOUND: { at: 'nowhere', problem: text('error.meetingNotFound') },
};
