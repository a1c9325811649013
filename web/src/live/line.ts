import { atom, type ReadableAtom } from 'nanostores';
import { ApiError } from '../api/errors';
import { backoff } from './backoff';

export type LineState =
  | { status: 'connecting' }
  | { status: 'open' }
  /** Not connected; the next try is at `retryAt`, in milliseconds since 1970. */
  | { status: 'waiting'; attempt: number; retryAt: number }
  /**
   * Over, and not tried again: closed by us, or by the server for good. By close code and reason, or where the server
   * refused the connection, by HTTP status and `error_code`.
   */
  | { status: 'closed'; code: number; reason: string };

/** What of a `WebSocket` is used; tests bring their own. */
export type Socket = Pick<
  WebSocket,
  'send' | 'close' | 'readyState' | 'onopen' | 'onmessage' | 'onclose' | 'onerror'
>;

export interface LineOptions {
  /** The address, asked for anew before each try: tickets are good once. An `ApiError` for good ends the line. */
  address: () => Promise<string>;
  /**
   * Asked when a socket closes that never opened: a browser tells its page nothing of why it was refused. Throws an
   * `ApiError` where the server says why, which ends the line if it is for good. An `address` that says so needs none.
   */
  refused?: () => Promise<void>;
  /** Called on each connection, before any frame: says what was missed. */
  onOpen?: () => void;
  onFrame: (frame: Record<string, unknown>) => void;
  connect?: (address: string) => Socket;
  now?: () => number;
}

/** Close codes after which there is no coming back: done, logged out, removed or denied. */
const FINAL = new Set([1000, 4401, 4403]);
/** A connection that does not open is given up after so long, in milliseconds. Browsers wait for up to minutes. */
const OPEN_WITHIN = 10_000;
/** The same where the network is back meanwhile, or somebody looks again. */
const OPEN_HURRIED = 2_000;
/** A silent connection is asked whether it lives, in milliseconds. */
const PING_EVERY = 15_000;
/** No sign of life for this long after the question: the connection is given up, in milliseconds. */
const PONG_WITHIN = 8_000;

/**
 * A WebSocket that comes back: after a lost network, a sleeping laptop or a restarted server, until it is closed for
 * good. Frames are JSON objects; the server answers `{"type": "ping"}` with a pong.
 */
export class Line {
  private readonly $state = atom<LineState>({ status: 'connecting' });
  private socket: Socket | null = null;
  private attempt = 0;
  /** When the socket was made. */
  private triedAt = 0;
  private asking = false;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  private readonly now: () => number;

  constructor(private readonly options: LineOptions) {
    this.now = options.now ?? Date.now;
    globalThis.addEventListener?.('online', this.hurry);
    globalThis.document?.addEventListener('visibilitychange', this.hurry);
    void this.open();
  }

  get state(): ReadableAtom<LineState> {
    return this.$state;
  }

  /** Whether it went out. What must not be lost is sent again by its owner, with a client message id. */
  send(frame: object): boolean {
    if (this.socket?.readyState !== 1) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  close(): void {
    this.end(1000, 'closed');
  }

  /**
   * The network is back, or somebody looks again: no more waiting, neither for a connection that takes long to open, and
   * a look whether the one there is still lives.
   */
  private readonly hurry = (): void => {
    if (globalThis.document?.visibilityState === 'hidden') return;
    const is = (status: LineState['status']) => this.$state.get().status === status;
    if (is('connecting') && this.now() - this.triedAt > OPEN_HURRIED) this.giveUp('not opened');
    if (is('waiting')) void this.open();
    else if (is('open')) this.ping();
  };

  private async open(): Promise<void> {
    clearTimeout(this.retry);
    this.$state.set({ status: 'connecting' });
    let address: string;
    try {
      address = await this.options.address();
    } catch (error) {
      if (this.over) return;
      if (isFinal(error)) this.end(error.status, error.code);
      else this.later();
      return;
    }
    if (this.over) return;
    const connect = this.options.connect ?? ((address) => new WebSocket(address));
    const socket = connect(address);
    this.socket = socket;
    this.triedAt = this.now();
    this.watchdog = setTimeout(() => this.giveUp('not opened'), OPEN_WITHIN);
    socket.onopen = () => {
      this.attempt = 0;
      this.$state.set({ status: 'open' });
      this.alive();
      this.options.onOpen?.();
    };
    socket.onmessage = (event) => {
      this.alive();
      const frame = parse(event.data);
      if (frame) this.options.onFrame(frame);
    };
    socket.onclose = (event) => this.lost(socket, event.code, event.reason);
  }

  private lost(socket: Socket, code: number, reason: string): void {
    if (socket !== this.socket || this.over) return;
    this.socket = null;
    clearTimeout(this.watchdog);
    if (FINAL.has(code)) {
      this.end(code, reason);
      return;
    }
    const neverOpened = this.$state.get().status === 'connecting';
    this.later();
    if (neverOpened) void this.askWhy();
  }

  /** The next try does not wait for the answer, which may be long in coming; if it opens, the answer is out of date. */
  private async askWhy(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    try {
      await this.options.refused?.();
    } catch (error) {
      if (isFinal(error) && this.$state.get().status !== 'open') this.end(error.status, error.code);
    } finally {
      this.asking = false;
    }
  }

  private later(): void {
    this.attempt++;
    const wait = backoff(this.attempt);
    this.$state.set({ status: 'waiting', attempt: this.attempt, retryAt: this.now() + wait });
    this.retry = setTimeout(() => void this.open(), wait);
  }

  private alive(): void {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.ping(), PING_EVERY);
  }

  private ping(): void {
    if (!this.send({ type: 'ping' })) return;
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.giveUp('no sign of life'), PONG_WITHIN);
  }

  /** A dead connection takes its time to close: it is not waited for. */
  private giveUp(why: string): void {
    const { socket } = this;
    if (!socket) return;
    socket.close(4000, why);
    this.lost(socket, 4000, why);
  }

  private end(code: number, reason: string): void {
    if (this.over) return;
    clearTimeout(this.retry);
    clearTimeout(this.watchdog);
    globalThis.removeEventListener?.('online', this.hurry);
    globalThis.document?.removeEventListener('visibilitychange', this.hurry);
    this.$state.set({ status: 'closed', code, reason });
    this.socket?.close(1000);
  }

  private get over(): boolean {
    return this.$state.get().status === 'closed';
  }
}

/** A refusal that another try would meet again: not that nobody answers, that a server fails, or somebody in between. */
function isFinal(error: unknown): error is ApiError {
  if (!(error instanceof ApiError) || error.transient || error.code === 'CONFLICT') return false;
  return error.status >= 400 && error.status < 500;
}

function parse(data: unknown): Record<string, unknown> | null {
  try {
    const frame: unknown = JSON.parse(String(data));
    return typeof frame === 'object' && frame !== null ? (frame as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** A path of this server as a WebSocket's address. Same origin always: the page may talk to no other. */
export function socketAddress(path: string, query: Record<string, string> = {}): string {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  url.host = location.host;
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

/**
 * Where a meeting's media are. With the embedded media server that is where the page came from, by whatever name the
 * person reached it; else the LiveKit server that the meeting names.
 */
export function mediaAddress(meeting: { livekit_url: string; websocket_url: string }): string {
  const embedded = new URL(meeting.livekit_url).host === new URL(meeting.websocket_url).host;
  return embedded ? new URL(socketAddress('/')).origin : meeting.livekit_url;
}
