import type * as LiveKit from 'livekit-client';
import type {
  LocalParticipant,
  Participant,
  RemoteTrackPublication,
  Room,
  RoomEventCallbacks,
  Track,
} from 'livekit-client';
import { atom, computed, type ReadableAtom, type WritableAtom } from 'nanostores';
import { backoff } from '../../live/backoff';
import { Emitter } from '../../store/emitter';
import { blur, canBlur, type DeviceChoice, type DeviceKind } from '../before/devices';
import { keyOf, type TileKey } from './arrange';

/** A moving picture that can be put into any number of `<video>`s. */
export interface Picture {
  /** Shows it; the answer takes it away. The size of the element chooses how much of it is fetched. */
  attach(video: HTMLVideoElement): () => void;
  /** One's own face, as in a mirror. */
  mirrored: boolean;
}

export interface Source {
  /** Somebody sends this, and has not paused it. */
  on: boolean;
  /** It is here; `null` while it is on its way, or not asked for. */
  picture: Picture | null;
}

export type Quality = 'good' | 'poor' | 'lost' | 'unknown';

/** What the media server knows of somebody. */
export interface MediaPerson {
  identity: string;
  name: string;
  isMe: boolean;
  microphone: boolean;
  camera: Source;
  screen: Source;
  speaking: boolean;
  quality: Quality;
}

export type MediaState = 'connecting' | 'connected' | 'reconnecting' | 'closed';

export interface MediaEvents {
  /** A device that was asked for does not work. */
  deviceFailed: { kind: 'camera' | 'microphone' | 'screen'; error: unknown };
  /** What is behind the person is seen, although it was to be blurred. */
  blurFailed: null;
  /** One's own screen is not shared any more, although nobody stopped it. */
  screenLost: null;
  /** The server put an end to it: removed, or the room was closed. */
  expelled: 'removed' | 'ended' | 'elsewhere';
}

type Sending = 'microphone' | 'camera';

/** What is to be on, whether or not it works. */
export type Wanted = Readonly<Record<Sending, boolean>>;

export interface MediaOptions {
  url: string;
  /** Asked for before each try. */
  token: () => string;
  devices: DeviceChoice;
  microphone: boolean;
  camera: boolean;
}

/** A picture that is out of sight is kept coming this long, in milliseconds: eyes and speakers wander. */
const LINGER = 8_000;
/**
 * After a reconnection one looks around so often, every so many milliseconds. livekit-client (2.23) says that it reconnected
 * before its attempt to do so has ended, and keeps back for good what it learns in between: about two seconds.
 */
const LOOKS = 10;
const LOOK = 500;

/**
 * Sound and pictures of a meeting, by LiveKit. The only module that knows livekit-client, which is loaded when a
 * meeting is entered. Everybody's sound is heard; pictures come only for tiles that are shown (`watch`), in the size in
 * which they are shown. It comes back by itself after a lost network or a restarted server.
 */
export class Media {
  readonly events = new Emitter<MediaEvents>();
  private readonly state = atom<MediaState>('connecting');
  private readonly people = atom<ReadonlyMap<string, MediaPerson>>(new Map());
  private readonly silent = atom(false);
  private readonly permitted = atom({ screen: true });
  private kit: typeof LiveKit | null = null;
  private room: Room | null = null;
  private opening = false;
  private attempt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private looking: ReturnType<typeof setTimeout> | undefined;
  private watched: ReadonlySet<string> = new Set();
  private readonly leaving = new Map<string, ReturnType<typeof setTimeout>>();
  private readonly wanted: WritableAtom<Wanted>;
  /** How many presses of each are on their way. */
  private readonly moving = atom<Readonly<Record<Sending, number>>>({ microphone: 0, camera: 0 });
  /** After a reconnection, until what did not make it is tried again. */
  private readonly mending = atom(false);
  /** Whether one's screen was shared until now. */
  private sharing = false;
  private choice: DeviceChoice;
  /** Whether what is behind the person is blurred; `null`: nobody said so, and what the system does stays. */
  private blurs: boolean | null;
  /** What is done with a camera that blurs, one after the other. */
  private camera: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: MediaOptions) {
    this.wanted = atom({ microphone: options.microphone, camera: options.camera });
    this.choice = options.devices;
    this.blurs = options.devices.blur || null;
    void this.open();
  }

  get $state(): ReadableAtom<MediaState> {
    return this.state;
  }

  /** By LiveKit identity; those who did not change are the same objects as before. */
  get $people(): ReadableAtom<ReadonlyMap<string, MediaPerson>> {
    return this.people;
  }

  /** The browser plays no sound until the person presses something: then `startAudio`. */
  get $silent(): ReadableAtom<boolean> {
    return this.silent;
  }

  /** What this meeting lets one send. */
  get $permitted(): ReadableAtom<{ screen: boolean }> {
    return this.permitted;
  }

  get $wants(): ReadableAtom<Wanted> {
    return this.wanted;
  }

  /** Whether one's microphone and camera are as they stay; else they are about to be as they are wanted. */
  readonly $steady = computed([this.state, this.moving, this.mending], (state, moving, mending) => {
    const steady = (kind: Sending) => state === 'connected' && !mending && moving[kind] === 0;
    return { microphone: steady('microphone'), camera: steady('camera') };
  });

  async setMicrophone(on: boolean): Promise<void> {
    await this.turn('microphone', on);
  }

  async setCamera(on: boolean): Promise<void> {
    await this.turn('camera', on);
  }

  /** The browser asks which screen, window or tab; with its sound where the system can. */
  async setScreen(on: boolean): Promise<void> {
    await this.device('screen', () =>
      this.room?.localParticipant.setScreenShareEnabled(on, {
        audio: true,
        // A tab brings its own sound; the whole system's would bring everybody's voices back.
        systemAudio: 'exclude',
        selfBrowserSurface: 'exclude',
        surfaceSwitching: 'include',
        contentHint: 'detail',
      }),
    );
  }

  async use(kind: DeviceKind, id: string): Promise<void> {
    this.choice = { ...this.choice, [kind]: id };
    const { room } = this;
    const name = ({ camera: 'videoinput', microphone: 'audioinput', speaker: 'audiooutput' } as const)[kind];
    await this.device(kind === 'speaker' ? 'microphone' : kind, async () => {
      const renew =
        room !== null && kind === 'camera' && this.blurs === true && this.cameraTrack !== undefined;
      if (renew) await this.renew(room, () => room.switchActiveDevice(name, id));
      else await room?.switchActiveDevice(name, id);
    });
  }

  /** Takes the camera away while something is done with it. */
  private async renew({ localParticipant: me }: Room, act: () => Promise<unknown>): Promise<void> {
    this.move('camera', 1);
    try {
      await this.switch(me, 'camera', false);
      await act();
    } finally {
      await this.switch(me, 'camera', true).finally(() => this.move('camera', -1));
    }
  }

  /** Blurs what is behind the person, now and whenever the camera is opened again. */
  async setBlur(on: boolean): Promise<void> {
    this.blurs = on;
    await this.blurAsWanted(this.cameraTrack);
  }

  /** The track of one's own camera, to set what only the browser knows (blur). */
  get cameraTrack(): MediaStreamTrack | undefined {
    const source = this.kit?.Track.Source.Camera;
    return source && this.room?.localParticipant.getTrackPublication(source)?.track?.mediaStreamTrack;
  }

  startAudio(): void {
    void this.room?.startAudio();
  }

  /** Which tiles are shown now: pictures of others stop coming after a little. */
  watch(tiles: readonly TileKey[]): void {
    this.watched = new Set(tiles.map(keyOf));
    for (const person of this.room?.remoteParticipants.values() ?? []) this.subscribe(person.identity);
  }

  close(): void {
    this.state.set('closed');
    this.waitNoMore();
    clearTimeout(this.looking);
    for (const timer of this.leaving.values()) clearTimeout(timer);
    // Nobody needs to hear how the connections of a meeting end that is over.
    this.kit?.setLogLevel('silent');
    this.end();
    this.people.set(new Map());
  }

  private get over(): boolean {
    return this.state.get() === 'closed';
  }

  private async open(): Promise<void> {
    this.waitNoMore();
    this.opening = true;
    try {
      this.kit ??= await import('livekit-client');
      if (this.over) return;
      const room = this.makeRoom(this.kit);
      await room.connect(this.options.url, this.options.token(), { autoSubscribe: false, maxRetries: 0 });
      if (this.over) return;
      this.attempt = 0;
      this.opening = false;
      this.settled(room);
    } catch {
      // Nobody answers, or the server restarts: whether one may come in at all the meeting's own line tells.
      this.opening = false;
      this.later();
    }
  }

  /** After the browser, the server or livekit-client gave up: from the beginning. */
  private later(): void {
    if (this.over) return;
    this.state.set(this.attempt === 0 && this.state.get() === 'connecting' ? 'connecting' : 'reconnecting');
    this.attempt++;
    this.waitNoMore();
    this.retry = setTimeout(this.hurry, backoff(this.attempt));
    globalThis.addEventListener?.('online', this.hurry);
  }

  private readonly hurry = (): void => void this.open();

  /** The network hurries a try that waits and nothing else: a room that is opened or comes back is on its way already. */
  private waitNoMore(): void {
    clearTimeout(this.retry);
    globalThis.removeEventListener?.('online', this.hurry);
  }

  /** Ends the room there is, whatever it is doing, and hears no more of it: two of one person throw each other out. */
  private end(): void {
    const room = this.room;
    this.room = null;
    void room?.disconnect();
  }

  private settled(room: Room): void {
    this.state.set('connected');
    this.silent.set(!room.canPlaybackAudio);
    this.permit(room);
    for (const person of [room.localParticipant, ...room.remoteParticipants.values()]) this.see(person);
    for (const person of room.remoteParticipants.values()) this.subscribe(person.identity);
    const { microphone, camera } = this.wanted.get();
    if (microphone) void this.setMicrophone(true);
    if (camera) void this.setCamera(true);
    this.mending.set(false);
    if (this.choice.speaker) {
      // Not every browser lets a page choose where sound comes out.
      room.switchActiveDevice('audiooutput', this.choice.speaker).catch(() => {});
    }
  }

  private makeRoom(kit: typeof LiveKit): Room {
    this.end();
    const { Room, VideoPresets, ScreenSharePresets } = kit;
    kit.setLogLevel('warn');
    const room = new Room({
      adaptiveStream: { pixelDensity: 'screen' },
      dynacast: true,
      stopLocalTrackOnUnpublish: true,
      audioCaptureDefaults: this.audio(),
      videoCaptureDefaults: this.video(),
      publishDefaults: {
        simulcast: true,
        videoSimulcastLayers: [VideoPresets.h180, VideoPresets.h360],
        videoEncoding: VideoPresets.h720.encoding,
        screenShareEncoding: ScreenSharePresets.h1080fps15.encoding,
        red: true,
        dtx: true,
      },
    });
    this.room = room;
    this.listen(room, kit);
    return room;
  }

  private listen(room: Room, { RoomEvent, Track, TrackEvent }: typeof LiveKit): void {
    // What a room that is ended still says counts for nothing.
    const on = <E extends keyof RoomEventCallbacks>(event: E, act: RoomEventCallbacks[E]) => {
      const heard = (...args: never[]) => room === this.room && (act as (...args: never[]) => void)(...args);
      room.on(event, heard as RoomEventCallbacks[E]);
    };
    const about = (person: Participant) => this.see(person);
    const meet = (person: Participant) => {
      this.subscribe(person.identity);
      this.see(person);
    };
    on(RoomEvent.ParticipantConnected, meet);
    on(RoomEvent.ParticipantDisconnected, ({ identity }) => this.forget(identity));
    on(RoomEvent.TrackPublished, (_, person) => meet(person));
    on(RoomEvent.TrackUnpublished, (_, person) => about(person));
    on(RoomEvent.TrackSubscribed, (track, _, person) => {
      if (track.kind === Track.Kind.Audio) play(track);
      about(person);
    });
    // Of an ended room too: its sound is let go of.
    room.on(RoomEvent.TrackUnsubscribed, (track) => void track.detach());
    on(RoomEvent.TrackUnsubscribed, (_, __, person) => about(person));
    on(RoomEvent.TrackMuted, (_, person) => {
      if (person.isLocal) this.heed(room);
      about(person);
    });
    on(RoomEvent.TrackUnmuted, (_, person) => about(person));
    on(RoomEvent.LocalTrackPublished, ({ source, track }, person) => {
      // One that is pulled out is replaced by livekit-client.
      if (source === Track.Source.Camera) {
        track?.on(TrackEvent.Restarted, ({ mediaStreamTrack }) => void this.blurAsWanted(mediaStreamTrack));
      }
      if (source === Track.Source.ScreenShare) this.sharing = true;
      about(person);
    });
    on(RoomEvent.LocalTrackUnpublished, ({ source }, person) => {
      // A room that is lost takes back what one sends first, and says then that it is lost.
      if (source === Track.Source.ScreenShare) queueMicrotask(() => (this.sharing = false));
      about(person);
    });
    on(RoomEvent.ParticipantNameChanged, (_, person) => about(person));
    on(RoomEvent.ConnectionQualityChanged, (_, person) => about(person));
    on(RoomEvent.ActiveSpeakersChanged, (speakers) => this.hear(speakers));
    on(RoomEvent.ParticipantPermissionsChanged, () => this.permit(room));
    on(RoomEvent.AudioPlaybackStatusChanged, () => this.silent.set(!room.canPlaybackAudio));
    on(RoomEvent.Reconnecting, () => this.state.set('reconnecting'));
    on(RoomEvent.SignalReconnecting, () => this.state.set('reconnecting'));
    on(RoomEvent.Reconnected, () => this.settledAgain(room));
    on(RoomEvent.Disconnected, (reason) => this.disconnected(reason));
  }

  private settledAgain(room: Room): void {
    this.mending.set(true);
    this.state.set('connected');
    this.lookAround(room);
    this.lookAgain(room, LOOKS);
  }

  private lookAgain(room: Room, times: number): void {
    clearTimeout(this.looking);
    this.looking = setTimeout(() => {
      if (room !== this.room || this.state.get() !== 'connected') return;
      this.lookAround(room);
      if (times > 1) this.lookAgain(room, times - 1);
      else this.mend(room);
    }, LOOK);
  }

  /** Sees and hears who is there, whether that was told or not. */
  private lookAround(room: Room): void {
    this.heed(room);
    const others = [...room.remoteParticipants.values()];
    for (const person of [room.localParticipant, ...others]) this.see(person);
    const here = new Set([room.localParticipant, ...others].map(({ identity }) => identity));
    for (const identity of this.people.get().keys()) if (!here.has(identity)) this.forget(identity);
    for (const person of others) {
      this.subscribe(person.identity);
      for (const { audioTrack } of person.audioTrackPublications.values()) if (audioTrack) play(audioTrack);
    }
  }

  /** What is muted while nothing of the person's own is on its way was muted by somebody else: it is not wanted any more. */
  private heed(room: Room): void {
    for (const kind of ['microphone', 'camera'] as const) {
      if (this.moving.get()[kind] === 0 && this.mine(room, kind)?.isMuted) this.want(kind, false);
    }
  }

  private mine(room: Room, kind: Sending) {
    const source = kind === 'microphone' ? this.kit?.Track.Source.Microphone : this.kit?.Track.Source.Camera;
    return source && room.localParticipant.getTrackPublication(source);
  }

  /** What one sends is sent anew after a reconnection; what did not make it is tried again. */
  private mend(room: Room): void {
    const { isMicrophoneEnabled, isCameraEnabled } = room.localParticipant;
    const { microphone, camera } = this.wanted.get();
    if (microphone && !isMicrophoneEnabled) void this.setMicrophone(true);
    if (camera && !isCameraEnabled) void this.setCamera(true);
    this.mending.set(false);
  }

  private disconnected(reason: LiveKit.DisconnectReason | undefined): void {
    if (!this.kit) return;
    const { DisconnectReason } = this.kit;
    this.people.set(new Map());
    if (reason === DisconnectReason.PARTICIPANT_REMOVED) this.events.emit('expelled', 'removed');
    else if (reason === DisconnectReason.ROOM_DELETED) this.events.emit('expelled', 'ended');
    else if (reason === DisconnectReason.DUPLICATE_IDENTITY) this.events.emit('expelled', 'elsewhere');
    // That it could not be opened is told by `connect`.
    else if (!this.opening) this.lost();
  }

  /** Microphone and camera come back by themselves; of a screen the browser would have to ask which. */
  private lost(): void {
    if (this.sharing) this.events.emit('screenLost', null);
    this.sharing = false;
    this.later();
  }

  private permit(room: Room): void {
    const permissions = room.localParticipant.permissions;
    const sources = permissions?.canPublishSources ?? [];
    // None named means all of them (protobuf TrackSource: SCREEN_SHARE is 3).
    const screen = permissions?.canPublish !== false && (sources.length === 0 || sources.includes(3));
    this.permitted.set({ screen });
  }

  private hear(speakers: readonly Participant[]): void {
    const speaking = new Set(speakers.map(({ identity }) => identity));
    for (const person of this.people.get().values()) {
      if (person.speaking !== speaking.has(person.identity)) {
        this.keep({ ...person, speaking: !person.speaking });
      }
    }
  }

  /** Looks at somebody anew. */
  private see(person: Participant): void {
    if (!this.kit) return;
    const { Source } = this.kit.Track;
    const before = this.people.get().get(person.identity);
    const microphone = person.getTrackPublication(Source.Microphone);
    this.keep({
      identity: person.identity,
      name: person.name ?? '',
      isMe: person.isLocal,
      microphone: microphone !== undefined && !microphone.isMuted,
      camera: this.source(person, Source.Camera, before?.camera),
      screen: this.source(person, Source.ScreenShare, before?.screen),
      speaking: person.isSpeaking,
      quality: qualityOf(person.connectionQuality),
    });
  }

  private source(person: Participant, source: Track.Source, before: Source | undefined): Source {
    const publication = person.getTrackPublication(source);
    const on = publication !== undefined && !publication.isMuted;
    const track = on ? publication.videoTrack : undefined;
    const mirrored = person.isLocal && source === this.kit?.Track.Source.Camera;
    const picture = track ? pictureOf(track, mirrored) : null;
    return before?.on === on && before.picture === picture ? before : { on, picture };
  }

  private keep(person: MediaPerson): void {
    const all = this.people.get();
    const before = all.get(person.identity);
    const same =
      before && (Object.keys(person) as (keyof MediaPerson)[]).every((key) => before[key] === person[key]);
    if (!same) this.people.set(new Map(all).set(person.identity, person));
  }

  private forget(identity: string): void {
    const all = new Map(this.people.get());
    if (all.delete(identity)) this.people.set(all);
  }

  /** Sound always; pictures when they are looked at. */
  private subscribe(identity: string): void {
    const person = this.room?.remoteParticipants.get(identity);
    if (!person || !this.kit) return;
    const { Source } = this.kit.Track;
    for (const publication of person.trackPublications.values()) {
      if (publication.source === Source.Camera) this.follow(publication, { identity, source: 'camera' });
      else if (publication.source === Source.ScreenShare) {
        this.follow(publication, { identity, source: 'screen' });
      } else publication.setSubscribed(true);
    }
  }

  private follow(publication: RemoteTrackPublication, tile: TileKey): void {
    const key = keyOf(tile);
    if (this.watched.has(key)) {
      clearTimeout(this.leaving.get(key));
      this.leaving.delete(key);
      if (!publication.isDesired) publication.setSubscribed(true);
    } else if (publication.isDesired && !this.leaving.has(key)) {
      const leave = () => {
        this.leaving.delete(key);
        if (!this.watched.has(key)) publication.setSubscribed(false);
      };
      this.leaving.set(key, setTimeout(leave, LINGER));
    }
  }

  /** Turns it off at once; on, where the room stands: one that is opened or comes back does so when it is ready. */
  private async turn(kind: Sending, on: boolean): Promise<void> {
    const { room } = this;
    this.want(kind, on);
    if (!room || (on && this.state.get() !== 'connected' && !this.mine(room, kind))) return;
    const me = room.localParticipant;
    this.move(kind, 1);
    try {
      await this.switch(me, kind, on);
      // The browser may ask for longer than livekit-client has a press wait that turns it off meanwhile.
      if (on && !this.wanted.get()[kind]) await this.switch(me, kind, false);
    } catch (error) {
      // That a room was lost meanwhile says nothing of the device.
      if (room === this.room && this.state.get() === 'connected') {
        this.events.emit('deviceFailed', { kind, error });
      }
    }
    this.move(kind, -1);
    if (room === this.room) this.heed(room);
  }

  private switch(me: LocalParticipant, kind: Sending, on: boolean): Promise<unknown> {
    if (kind === 'microphone') return me.setMicrophoneEnabled(on, this.audio());
    if (!this.blurs) return me.setCameraEnabled(on, this.video());
    const done = this.camera.then(() => this.switchBlurred(me, on));
    this.camera = done.catch(() => {});
    return done;
  }

  /**
   * A paused camera is opened anew, without its blur: livekit-client would send it before it blurs again. So one that
   * blurs is not paused but taken away, and blurs before it is sent. It can't be asked to with its size: Chromium takes
   * the two only one after the other.
   */
  private async switchBlurred(me: LocalParticipant, on: boolean): Promise<void> {
    const source = this.kit?.Track.Source.Camera;
    const before = source && me.getTrackPublication(source)?.track;
    if (before && on && !before.isMuted) return;
    if (before) await me.unpublishTrack(before);
    if (!on || !this.wanted.get().camera) return;
    const [track] = await me.createTracks({ video: this.video() });
    if (!track) return;
    try {
      await this.blurAsWanted(track.mediaStreamTrack);
      if (this.wanted.get().camera && me === this.room?.localParticipant) await me.publishTrack(track);
      else track.stop();
    } catch (error) {
      track.stop();
      throw error;
    }
  }

  private async blurAsWanted(track: MediaStreamTrack | undefined): Promise<void> {
    if (this.blurs === null || !track || !canBlur(track)) return;
    await blur(track, this.blurs).catch(() => this.events.emit('blurFailed', null));
  }

  private want(kind: Sending, on: boolean): void {
    this.wanted.set({ ...this.wanted.get(), [kind]: on });
  }

  private move(kind: Sending, by: number): void {
    const moving = this.moving.get();
    this.moving.set({ ...moving, [kind]: moving[kind] + by });
  }

  private async device(kind: MediaEvents['deviceFailed']['kind'], act: () => unknown): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.events.emit('deviceFailed', { kind, error });
    }
  }

  private audio() {
    const { microphone } = this.choice;
    return {
      ...(microphone ? { deviceId: { ideal: microphone } } : {}),
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
    };
  }

  private video() {
    const { camera } = this.choice;
    const resolution = this.kit?.VideoPresets.h720.resolution;
    return {
      ...(camera ? { deviceId: { ideal: camera } } : {}),
      ...(resolution ? { resolution } : {}),
    };
  }
}

/** Lets the track sound, once. */
function play(track: Track): void {
  if (track.attachedElements.length === 0) track.attach();
}

/** One picture for one track, however often it is looked at: tiles are not drawn anew for nothing. */
const PICTURES = new WeakMap<Track, Picture>();

function pictureOf(track: Track, mirrored: boolean): Picture {
  const known = PICTURES.get(track);
  if (known) return known;
  const picture: Picture = {
    attach(video) {
      track.attach(video);
      return () => void track.detach(video);
    },
    mirrored,
  };
  PICTURES.set(track, picture);
  return picture;
}

function qualityOf(quality: string): Quality {
  if (quality === 'poor' || quality === 'lost') return quality;
  return quality === 'unknown' ? 'unknown' : 'good';
}
