/** What tests of a meeting are made of; no part of the app. */
import { atom } from 'nanostores';
import type { Participant } from '../../api/platform';
import type { LineState } from '../../live/line';
import type { MeetingCommand, MeetingEvents, MeetingLine } from '../../live/meeting';
import { Emitter } from '../../store/emitter';
import type { TileKey } from './arrange';
import type { Media, MediaEvents, MediaPerson, MediaState } from './media';
import type { Person } from './people';

export const participant = (name: string, more: Partial<Participant> = {}): Participant => ({
  participant_id: `participant-${name}`,
  user_id: null,
  display_name: name,
  role: 'participant',
  status: 'joined',
  identity: name,
  join_time: '2026-01-01T00:00:00Z',
  audio_enabled: true,
  video_enabled: true,
  hand_raised: false,
  ...more,
});

export const NOTHING = { on: false, picture: null } as const;

export const mediaPerson = (identity: string, more: Partial<MediaPerson> = {}): MediaPerson => ({
  identity,
  name: identity,
  isMe: identity === 'me',
  microphone: false,
  camera: NOTHING,
  screen: NOTHING,
  speaking: false,
  quality: 'good',
  ...more,
});

export const person = (identity: string, more: Partial<Person> = {}): Person => ({
  ...mediaPerson(identity),
  participantId: `participant-${identity}`,
  userId: null,
  role: 'participant',
  hand: null,
  ...more,
});

/** A meeting's line without a server. */
export class FakeLine {
  readonly events = new Emitter<MeetingEvents>();
  readonly state = atom<LineState>({ status: 'open' });
  readonly sent: MeetingCommand[] = [];
  closed = false;

  send(command: MeetingCommand): boolean {
    if (this.state.get().status !== 'open') return false;
    this.sent.push(command);
    return true;
  }

  close(): void {
    this.closed = true;
  }

  get asLine(): MeetingLine {
    return this as unknown as MeetingLine;
  }
}

/** Media without a media server: what is asked for is what there is. */
export class FakeMedia {
  readonly events = new Emitter<MediaEvents>();
  readonly $state = atom<MediaState>('connected');
  readonly $people = atom<ReadonlyMap<string, MediaPerson>>(new Map([['me', mediaPerson('me')]]));
  readonly $silent = atom(false);
  readonly $permitted = atom({ screen: true });
  readonly $wants = atom({ microphone: false, camera: false });
  readonly $steady = atom({ microphone: true, camera: true });
  watched: readonly TileKey[] = [];
  closed = false;

  async setMicrophone(microphone: boolean): Promise<void> {
    this.$wants.set({ ...this.$wants.get(), microphone });
    if (this.$steady.get().microphone) this.me({ microphone });
  }

  async setCamera(on: boolean): Promise<void> {
    this.$wants.set({ ...this.$wants.get(), camera: on });
    if (this.$steady.get().camera) this.me({ camera: { on, picture: null } });
  }

  async setBlur(): Promise<void> {}

  async setScreen(on: boolean): Promise<void> {
    this.me({ screen: { on, picture: null } });
  }

  watch(tiles: readonly TileKey[]): void {
    this.watched = tiles;
  }

  close(): void {
    this.closed = true;
  }

  put(...people: MediaPerson[]): void {
    this.$people.set(
      new Map([...this.$people.get(), ...people.map((person) => [person.identity, person] as const)]),
    );
  }

  get asMedia(): Media {
    return this as unknown as Media;
  }

  private me(change: Partial<MediaPerson>): void {
    this.put({ ...(this.$people.get().get('me') ?? mediaPerson('me')), ...change });
  }
}
