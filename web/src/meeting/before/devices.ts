import { atom, computed, type ReadableAtom } from 'nanostores';
import { stored } from '../../store/stored';

export type DeviceKind = 'camera' | 'microphone' | 'speaker';

export interface Device {
  id: string;
  /** Empty until the person has let us use one. */
  label: string;
}

/** Why there is no picture or sound. */
export type DeviceProblem =
  /** The person, or a setting of the browser, said no. */
  | 'blocked'
  /** The operating system keeps it from the browser. */
  | 'system'
  | 'missing'
  /** Another program has it. */
  | 'busy'
  /** The page did not come over HTTPS: browsers give no device then. */
  | 'insecure'
  | 'failed';

/** What was chosen on this device; `null`: whatever the browser prefers. */
export interface DeviceChoice {
  camera: string | null;
  microphone: string | null;
  speaker: string | null;
  blur: boolean;
}

const NONE: DeviceChoice = { camera: null, microphone: null, speaker: null, blur: false };

const KINDS: Record<MediaDeviceKind, DeviceKind> = {
  videoinput: 'camera',
  audioinput: 'microphone',
  audiooutput: 'speaker',
};

/** What of the browser is used; tests bring their own. */
export type MediaDevicesLike = Pick<
  MediaDevices,
  'enumerateDevices' | 'getUserMedia' | 'addEventListener' | 'removeEventListener'
>;

/** The cameras, microphones and speakers there are, and which of them the person wants: remembered on this device. */
export class Devices {
  readonly $choice = stored<DeviceChoice>('convo.devices', NONE, parseChoice);
  private readonly all = atom<Record<DeviceKind, readonly Device[]>>({
    camera: [],
    microphone: [],
    speaker: [],
  });

  constructor(private readonly media: MediaDevicesLike | undefined = globalThis.navigator?.mediaDevices) {
    media?.addEventListener('devicechange', this.look);
    void this.look();
  }

  get $all(): ReadableAtom<Record<DeviceKind, readonly Device[]>> {
    return this.all;
  }

  /** The one to use: the chosen one if it is plugged in, else the browser's. */
  readonly $used = computed([this.all, this.$choice], (all, choice) => {
    const used = (kind: DeviceKind) => all[kind].find(({ id }) => id === choice[kind])?.id ?? null;
    return { camera: used('camera'), microphone: used('microphone'), speaker: used('speaker') };
  });

  choose(kind: DeviceKind, id: string): void {
    this.$choice.set({ ...this.$choice.get(), [kind]: id });
  }

  setBlur(blur: boolean): void {
    this.$choice.set({ ...this.$choice.get(), blur });
  }

  /** A camera or microphone as a stream, or why not. */
  async open(kind: 'camera' | 'microphone'): Promise<MediaStream | DeviceProblem> {
    if (!this.media) return 'insecure';
    await this.look();
    const chosen = this.$choice.get()[kind];
    const id = chosen ? { deviceId: { ideal: chosen } } : {};
    try {
      const stream = await this.media.getUserMedia(
        kind === 'camera'
          ? { video: { ...id, width: { ideal: 1280 }, height: { ideal: 720 } } }
          : { audio: { ...id, echoCancellation: true, noiseSuppression: true, autoGainControl: true } },
      );
      void this.look(); // Labels are there only now.
      return stream;
    } catch (error) {
      return problemOf(error);
    }
  }

  dispose(): void {
    this.media?.removeEventListener('devicechange', this.look);
  }

  private readonly look = async (): Promise<void> => {
    const found: Record<DeviceKind, Device[]> = { camera: [], microphone: [], speaker: [] };
    const devices = await this.media?.enumerateDevices().catch(() => []);
    for (const { kind, deviceId, label } of devices ?? []) {
      if (deviceId) found[KINDS[kind]].push({ id: deviceId, label });
    }
    this.all.set(found);
  };
}

/** Which of the reasons a failed `getUserMedia` tells. */
export function problemOf(error: unknown): DeviceProblem {
  const { name, message } = error instanceof Error ? error : { name: '', message: '' };
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      // Chromium names the system in the message alone. Firefox and Safari say "the user agent or the platform" of a no
      // by the person, too; where the system keeps a device from Firefox there is none.
      return /by system/i.test(message) ? 'system' : 'blocked';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing';
    case 'NotReadableError':
    case 'AbortError':
      return 'busy';
    default:
      // There is nothing to ask then, which is a TypeError to whoever asks.
      return globalThis.isSecureContext === false ? 'insecure' : 'failed';
  }
}

function parseChoice(value: unknown): DeviceChoice {
  const from = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const id = (name: string) => (typeof from[name] === 'string' ? (from[name] as string) : null);
  return {
    camera: id('camera'),
    microphone: id('microphone'),
    speaker: id('speaker'),
    blur: from.blur === true,
  };
}

/** Capabilities that TypeScript's library does not know yet (Media Capture and Streams Extensions). */
type Blurring = MediaTrackCapabilities & { backgroundBlur?: boolean[] };

/** Whether the camera, or the system behind it, can blur what is behind the person, and lets us say so. */
export function canBlur(track: MediaStreamTrack | undefined): boolean {
  const can = (track?.getCapabilities?.() as Blurring | undefined)?.backgroundBlur;
  return can?.includes(true) === true && can.includes(false);
}

export async function blur(track: MediaStreamTrack, on: boolean): Promise<void> {
  await track.applyConstraints({ backgroundBlur: on } as MediaTrackConstraints);
}
