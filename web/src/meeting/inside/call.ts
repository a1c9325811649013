import { atom, computed, type ReadableAtom } from 'nanostores';
import type { Api } from '../../api';
import type { Participant } from '../../api/platform';
import { explain } from '../../i18n/explain';
import { type Text, text } from '../../i18n/i18n';
import { mediaAddress } from '../../live/line';
import { type About, MeetingLine } from '../../live/meeting';
import type { Notices } from '../../ui/notices';
import { canBlur, type DeviceKind, type Devices, problemOf } from '../before/devices';
import { PROBLEMS } from '../before/problems';
import type { Ticket } from '../entry';
import { MeetingChat } from './chat';
import { Hosting } from './hosting';
import { Media, type MediaEvents, type Wanted } from './media';
import { Members } from './members';
import { type Person, people } from './people';
import { PictureInPicture } from './pip';
import { Reactions } from './reactions';
import { Stage } from './stage';
import { Writing } from './writing';

/** How a meeting was over for somebody. */
export interface Farewell {
  why: 'left' | 'ended' | 'removed' | 'elsewhere' | 'loggedOut' | 'failed';
  seconds: number;
  peopleMet: number;
  messages: number;
}

export type Panel = 'chat' | 'people';

/** How one's connections are: of the media, of the meeting's events, or of both. */
export type Connection = 'ok' | 'connecting' | 'reconnecting';

export interface CallServices {
  api: Pick<Api, 'platform'>;
  notices: Pick<Notices, 'say' | 'warn'>;
  devices: Devices;
}

export interface CallOptions {
  ticket: Ticket;
  microphone: boolean;
  camera: boolean;
  /** Called once, when it is over. */
  onOver: (farewell: Farewell) => void;
  /**
   * Called instead where a person's token is spent, which a new join may mend: with what was on, and what to say where
   * it does not.
   */
  onSpent: (wanted: Wanted, farewell: Farewell) => void;
}

/** A meeting from the inside: its people, its stage, its chat, and what one does there. */
export class Call {
  readonly line: MeetingLine;
  readonly media: Media;
  readonly members: Members;
  readonly hosting: Hosting;
  readonly chat: MeetingChat;
  readonly writing: Writing;
  readonly reactions: Reactions;
  readonly stage: Stage;
  readonly pip: PictureInPicture;
  readonly ticket: Ticket;
  readonly devices: Devices;
  readonly since = Date.now();
  readonly $people: ReadableAtom<readonly Person[]>;
  readonly $me: ReadableAtom<Person | null>;
  readonly $connection: ReadableAtom<Connection>;
  /** Whether one's microphone and camera are on; while that is on its way, whether they will be. */
  readonly $microphone: ReadableAtom<boolean>;
  readonly $camera: ReadableAtom<boolean>;
  /** Whether browser, system and host let one share a screen. */
  readonly $mayShare: ReadableAtom<boolean>;
  /** Whether one is host or co-host. */
  readonly $hosts: ReadableAtom<boolean>;
  private readonly panel = atom<Panel | null>(null);
  private readonly about = atom<About | null>(null);
  private readonly asked = atom(false);
  private readonly said = atom<Text | null>(null);
  private entered = false;
  /** Whether one's microphone is on as the server last told. */
  private audible = false;
  private over = false;
  private looks = 0;

  constructor(
    private readonly services: CallServices,
    private readonly options: CallOptions,
    /** Tests bring their own. */
    parts: { line?: MeetingLine; media?: Media } = {},
  ) {
    const { ticket } = options;
    this.ticket = ticket;
    this.devices = services.devices;
    this.line = parts.line ?? new MeetingLine(services.api.platform, ticket.code, async () => ticket.token);
    this.media = parts.media ?? this.makeMedia();
    this.members = new Members(this.line.events, ticket.participantId);
    this.hosting = new Hosting(services, ticket.code, this.line, this.members);
    this.$people = this.joinLists();
    this.$me = computed(this.$people, (all) => all.find((person) => person.isMe) ?? null);
    const { $steady, $wants } = this.media;
    this.$microphone = computed([$steady, $wants, this.$me], (steady, wants, me) =>
      steady.microphone ? (me?.microphone ?? false) : wants.microphone,
    );
    this.$camera = computed([$steady, $wants, this.$me], (steady, wants, me) =>
      steady.camera ? (me?.camera.on ?? false) : wants.camera,
    );
    this.$hosts = computed(this.$me, (me) => (me?.role ?? ticket.role) !== 'participant');
    const canShare = Boolean(globalThis.navigator?.mediaDevices?.getDisplayMedia);
    this.$mayShare = computed(
      [this.media.$permitted, this.about],
      ({ screen }, about) => canShare && screen && about?.screen_sharing_enabled !== false,
    );
    this.$connection = computed([this.line.state, this.media.$state], (line, media) => {
      if (line.status === 'waiting' || media === 'reconnecting') return 'reconnecting';
      return line.status === 'open' && media === 'connected' ? 'ok' : 'connecting';
    });
    this.chat = new MeetingChat({ api: services.api, line: this.line, nameOf: this.nameOf }, ticket);
    this.writing = new Writing(this.chat, this.$people);
    this.reactions = new Reactions(this.line);
    this.stage = new Stage(this.$people);
    this.pip = new PictureInPicture(this.$people, this.stage.$scene, this.stage.$speaker);
    this.stage.$scene.subscribe(({ tiles }) => this.media.watch(tiles.map(({ tile }) => tile)));
    this.listen();
  }

  get $panel(): ReadableAtom<Panel | null> {
    return this.panel;
  }

  /** What the meeting is called and allows; `null`: not known yet. */
  get $about(): ReadableAtom<About | null> {
    return this.about;
  }

  /** A host asks to unmute: the answer is the person's own. */
  get $asked(): ReadableAtom<boolean> {
    return this.asked;
  }

  /** The last thing that happened, for those who do not see it. */
  get $said(): ReadableAtom<Text | null> {
    return this.said;
  }

  togglePanel(panel: Panel): void {
    this.setPanel(this.panel.get() === panel ? null : panel);
  }

  setPanel(panel: Panel | null): void {
    this.panel.set(panel);
    this.chat.setOpen(panel === 'chat');
  }

  setMicrophone(on: boolean): void {
    this.asked.set(false);
    void this.media.setMicrophone(on);
  }

  toggleMicrophone(): void {
    this.setMicrophone(!this.$microphone.get());
  }

  toggleCamera(): void {
    void this.media.setCamera(!this.$camera.get());
  }

  toggleScreen(): void {
    void this.media.setScreen(!this.$me.get()?.screen.on);
  }

  toggleHand(): void {
    this.line.send({ type: 'raise_hand', data: { raised: this.$me.get()?.hand == null } });
  }

  nextLayout(): void {
    const names = {
      grid: 'meeting.layoutGrid',
      speaker: 'meeting.layoutSpeaker',
      spotlight: 'meeting.layoutSpotlight',
    } as const;
    this.tell(text(names[this.stage.nextMode()]));
  }

  keepMuted(): void {
    this.asked.set(false);
  }

  chooseDevice(kind: DeviceKind, id: string): void {
    this.devices.choose(kind, id);
    void this.media.use(kind, id);
  }

  /** Whether the camera in use can blur what is behind the person. */
  get canBlur(): boolean {
    return canBlur(this.media.cameraTrack);
  }

  setBlur(on: boolean): void {
    this.devices.setBlur(on);
    void this.media.setBlur(on);
  }

  leave(): void {
    if (this.over) return;
    const { code, participantId, userId } = this.ticket;
    if (userId === null) this.line.send({ type: 'leave_meeting', data: {} });
    // The closed line says it too; this one says it now, and where the line is down.
    else this.services.api.platform.leave(code, participantId).catch(() => {});
    this.finish('left');
  }

  async endForAll(): Promise<void> {
    try {
      await this.services.api.platform.end(this.ticket.code);
      this.finish('ended');
    } catch (error) {
      this.services.notices.warn(explain(error));
    }
  }

  /** The page goes away. */
  dispose(): void {
    if (!this.over) this.leave();
  }

  private makeMedia(): Media {
    const { ticket, microphone, camera } = this.options;
    return new Media({
      url: mediaAddress(ticket.urls),
      token: () => ticket.token,
      devices: this.devices.$choice.get(),
      microphone,
      camera,
    });
  }

  private joinLists(): ReadableAtom<readonly Person[]> {
    let before: readonly Person[] = [];
    const { $inside, $hands } = this.members;
    return computed([$inside, this.media.$people, $hands], (members, media, hands) => {
      before = people(members, media, hands, this.ticket.participantId, before);
      return before;
    });
  }

  /** For hosts: who waits already, and who was removed. */
  private async lookAround(): Promise<void> {
    const look = ++this.looks;
    this.members.ask();
    try {
      const meeting = await this.services.api.platform.meeting(this.ticket.code);
      // An earlier look that took longer saw less.
      if (look === this.looks) this.hosting.begin(meeting);
    } catch {
      // Who comes from now on is told.
    }
  }

  private listen(): void {
    const { events, state } = this.line;
    const { notices } = this.services;
    const me = this.ticket.participantId;
    const isMe = ({ participant_id }: { participant_id: string | null }) => participant_id === me;
    events.on('connected', ({ meeting, participants }) => {
      if (!this.entered) this.tell(text(this.$microphone.get() ? 'meeting.saidIn' : 'meeting.saidInMuted'));
      this.entered = true;
      this.heedMute(participants.find(isMe));
      if (meeting) this.about.set(meeting);
      if (this.$hosts.get()) void this.lookAround();
    });
    this.$hosts.listen((hosts) => hosts && void this.lookAround());
    events.on('meeting_updated', (about) => this.about.set(about));
    events.on('meeting_ended', () => this.finish('ended'));
    events.on('participant_removed', (participant) => isMe(participant) && this.finish('removed'));
    events.on('participant_updated', (who) => {
      if (isMe(who)) this.audible = who.audio_enabled;
    });
    events.on('participant_muted', (participant) => isMe(participant) && this.muted());
    events.on('unmute_requested', (request) => {
      if (isMe(request) && !this.$microphone.get()) this.asked.set(true);
    });
    events.on('error', ({ code }) =>
      notices.warn(text(code === 'RATE_LIMIT_EXCEEDED' ? 'error.tooMany' : 'error.unknown')),
    );
    events.on(
      'participant_joined',
      (who) => isMe(who) || this.tell(text('meeting.saidJoined', { name: who.display_name })),
    );
    events.on(
      'participant_left',
      (who) => isMe(who) || this.tell(text('meeting.saidLeft', { name: who.display_name })),
    );
    events.on('raise_hand', (who) => {
      const { display_name: name } = who;
      if (!isMe(who))
        this.tell(who.raised ? text('meeting.saidHand', { name }) : text('meeting.saidHandDown', { name }));
    });
    events.on('chat_message', (message) => {
      const mine = message.sender_id
        ? message.sender_id === this.ticket.userId
        : message.sender_participant_id === me;
      const { sender_name: name, content } = message;
      if (!mine) this.tell(text('meeting.saidMessage', { name, text: content }));
    });
    state.listen((now) => {
      if (now.status === 'closed') this.closed(now.code, now.reason);
    });
    this.media.events.on('expelled', (why) => this.finish(why));
    this.media.events.on('screenLost', () => notices.warn(text('meeting.shareLost')));
    this.media.events.on('blurFailed', () => notices.warn(text('meeting.blurFailed')));
    this.media.events.on('deviceFailed', (failure) => this.deviceFailed(failure));
    this.tellDevices();
  }

  /** Who was muted while the line was down finds it in the list of who is here alone. */
  private heedMute(me: Participant | undefined): void {
    if (!me) return;
    if (this.audible && !me.audio_enabled && this.media.$wants.get().microphone) this.muted();
    this.audible = me.audio_enabled;
  }

  private muted(): void {
    void this.media.setMicrophone(false);
    this.services.notices.warn(text('meeting.mutedByHost'));
  }

  private closed(code: number, reason: string): void {
    const why = CLOSED[code] ?? CLOSED[reason] ?? 'failed';
    if (why !== 'loggedOut') this.finish(why);
    // Nobody logs a guest out: their token is spent.
    else if (this.ticket.userId === null) this.finish('failed');
    // A person who may not come back was logged out meanwhile, or has been here for longer than the token is good.
    // Of a token that never was good the next one is none either.
    else if (code === 401 && this.entered)
      this.finish(why, (farewell) => this.options.onSpent(this.media.$wants.get(), farewell));
    else this.finish(why);
  }

  private tell(what: Text): void {
    this.said.set(what);
  }

  /** Others, who may know no LiveKit, hear whether the microphone and the camera are on. */
  private tellDevices(): void {
    const $devices = computed(this.media.$people, (all) => {
      const me = all.get(this.ticket.identity);
      return me ? `${me.microphone} ${me.camera.on}` : null;
    });
    const tell = () => {
      const me = this.media.$people.get().get(this.ticket.identity);
      if (!me || this.media.$state.get() !== 'connected') return;
      // What is being turned off is not told to be on: a mute by the server would be taken back there.
      const wants = this.media.$wants.get();
      const data = {
        audio_enabled: me.microphone && wants.microphone,
        video_enabled: me.camera.on && wants.camera,
      };
      this.line.send({ type: 'join_meeting', data });
    };
    $devices.listen(tell);
    this.line.events.on('connected', tell);
  }

  private deviceFailed({ kind, error }: MediaEvents['deviceFailed']): void {
    // Whoever closes the browser's choice of screens meant to.
    if (kind === 'screen') {
      if (problemOf(error) !== 'blocked') this.services.notices.warn(text('meeting.shareFailed'));
      return;
    }
    this.services.notices.warn(PROBLEMS[kind][problemOf(error)].title);
  }

  private readonly nameOf = (id: string): string | null => {
    const all = [...this.members.$inside.get().values()];
    const found = all.find(({ user_id, participant_id }) => user_id === id || participant_id === id);
    return found?.display_name ?? null;
  };

  private finish(why: Farewell['why'], tell = this.options.onOver): void {
    if (this.over) return;
    this.over = true;
    const farewell = {
      why,
      seconds: Math.round((Date.now() - this.since) / 1000),
      peopleMet: this.members.peopleMet,
      messages: this.chat.sent,
    };
    for (const part of [this.pip, this.stage, this.chat, this.reactions]) part.dispose();
    this.media.close();
    this.line.close();
    tell(farewell);
  }
}

/** Why the meeting's line is over, by the code it was closed with, or by what one was told who could not come back. */
const CLOSED: Record<string, Farewell['why']> = {
  1000: 'left',
  4401: 'loggedOut',
  4403: 'removed',
  AUTHENTICATION_REQUIRED: 'loggedOut',
  INSUFFICIENT_PERMISSIONS: 'removed',
  MEETING_ENDED: 'ended',
  MEETING_NOT_FOUND: 'ended',
};
