import { atom, type ReadableAtom } from 'nanostores';
import { blur, canBlur, type DeviceProblem, type Devices } from './devices';
import { chime, meter } from './sound';

export type Preview =
  | { status: 'off' }
  | { status: 'opening' }
  | { status: 'on'; stream: MediaStream }
  | { status: 'problem'; problem: DeviceProblem };

type Kind = 'camera' | 'microphone';

/** How one would be seen and heard, before going in. */
export class Mirror {
  private readonly previews = {
    camera: atom<Preview>({ status: 'off' }),
    microphone: atom<Preview>({ status: 'off' }),
  };
  private readonly wanted = { camera: false, microphone: false };
  /** Which opening is the last: an earlier one that takes longer is not wanted any more. */
  private readonly turn = { camera: 0, microphone: 0 };
  private readonly level = atom(0);
  private readonly metered = atom(false);
  private readonly heard = atom(false);
  private readonly blurs = atom(false);
  private readonly playing = atom(false);
  private deaf = () => {};
  private over = false;

  constructor(readonly devices: Devices) {}

  get $camera(): ReadableAtom<Preview> {
    return this.previews.camera;
  }

  get $microphone(): ReadableAtom<Preview> {
    return this.previews.microphone;
  }

  /** How loud the microphone is, from 0 to 1. */
  get $level(): ReadableAtom<number> {
    return this.level;
  }

  /** Whether it is known how loud it is: some browsers listen only once the person did something on the page. */
  get $metered(): ReadableAtom<boolean> {
    return this.metered;
  }

  /** Whether anything was heard on this microphone. */
  get $heard(): ReadableAtom<boolean> {
    return this.heard;
  }

  /** Whether this camera can blur what is behind the person. */
  get $canBlur(): ReadableAtom<boolean> {
    return this.blurs;
  }

  get $playing(): ReadableAtom<boolean> {
    return this.playing;
  }

  /** Whether the device is wanted, whether or not it works. */
  wants(kind: Kind): boolean {
    return this.wanted[kind];
  }

  /** What one comes in with, where nobody looks into the mirror before. */
  want(wanted: Readonly<Record<Kind, boolean>>): void {
    Object.assign(this.wanted, wanted);
  }

  async set(kind: Kind, on: boolean): Promise<void> {
    this.wanted[kind] = on;
    this.shut(kind);
    if (!on) return;
    this.previews[kind].set({ status: 'opening' });
    const turn = ++this.turn[kind];
    const opened = await this.devices.open(kind);
    const stream = typeof opened === 'string' ? null : opened;
    if (stream) await this.blurAsWanted(stream);
    if (turn !== this.turn[kind] || this.over) {
      stop(stream);
      return;
    }
    if (!stream) this.previews[kind].set({ status: 'problem', problem: opened as DeviceProblem });
    else if (kind === 'camera') this.see(stream);
    else this.listen(stream);
  }

  async choose(kind: Kind | 'speaker', id: string): Promise<void> {
    this.devices.choose(kind, id);
    if (kind !== 'speaker' && this.wanted[kind]) await this.set(kind, true);
  }

  async setBlur(on: boolean): Promise<void> {
    this.devices.setBlur(on);
    const camera = this.previews.camera.get();
    const [track] = camera.status === 'on' ? camera.stream.getVideoTracks() : [];
    if (track) await blur(track, on);
  }

  /** Plays a sound on the chosen speaker. */
  async testSpeaker(): Promise<void> {
    if (this.playing.get()) return;
    this.playing.set(true);
    try {
      await chime(this.devices.$used.get().speaker);
    } finally {
      this.playing.set(false);
    }
  }

  /** Lets go of the devices, for the meeting to take; what is wanted stays wanted. */
  rest(): void {
    this.shut('camera');
    this.shut('microphone');
  }

  dispose(): void {
    this.over = true;
    this.rest();
  }

  private async blurAsWanted(stream: MediaStream): Promise<void> {
    const [track] = stream.getVideoTracks();
    // Here one sees but oneself: a picture without is better than none.
    if (track && canBlur(track)) await blur(track, this.devices.$choice.get().blur).catch(() => {});
  }

  private see(stream: MediaStream): void {
    this.blurs.set(canBlur(stream.getVideoTracks()[0]));
    this.watch('camera', stream);
  }

  private listen(stream: MediaStream): void {
    this.heard.set(false);
    this.deaf = meter(stream, (level) => {
      this.metered.set(true);
      this.level.set(level);
      if (level > 0.35) this.heard.set(true);
    });
    this.watch('microphone', stream);
  }

  /** Unplugged: then the browser's next one is tried. */
  private watch(kind: Kind, stream: MediaStream): void {
    for (const track of stream.getTracks()) track.onended = () => void this.set(kind, true);
    this.previews[kind].set({ status: 'on', stream });
  }

  private shut(kind: Kind): void {
    this.turn[kind]++;
    const before = this.previews[kind].get();
    if (before.status === 'on') stop(before.stream);
    if (kind === 'microphone') {
      this.deaf();
      this.deaf = () => {};
      this.level.set(0);
      this.metered.set(false);
    }
    this.previews[kind].set({ status: 'off' });
  }
}

function stop(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
}
