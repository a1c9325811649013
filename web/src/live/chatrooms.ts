import { atom, type ReadableAtom } from 'nanostores';
import type { Socket } from 'socket.io-client';
import type { ChatroomMessage } from '../api/chatrooms';
import type { TokenSource } from '../api/http';
import { Emitter } from '../store/emitter';
import { backoff } from './backoff';

export interface ChatroomsEvents {
  newMessage: ChatroomMessage;
  typing: { chatroomId: string; user: ChatroomPerson; isTyping: boolean };
  /** Somebody became a member, or began to listen. */
  userJoined: { chatroomId: string; user: ChatroomPerson };
  /** Somebody left the room, or their last device stopped listening. */
  userLeft: { chatroomId: string; user: ChatroomPerson };
  /** The room is heard from now on. `seq` is its last message's: what is not known up to there was missed. */
  heard: { chatroomId: string; seq: number };
  /** The room cannot be heard: one is no member any more, or it is gone. */
  refused: { chatroomId: string };
  error: { message: string; code: string };
}

export interface ChatroomPerson {
  /** `null` for a guest. */
  id: string | null;
  name: string;
}

type Acknowledged<T> = ({ ok: true } & T) | { ok: false; error: string; code: string };

/** What of socket.io's client is used; tests bring their own. */
export type ChatroomsSocket = Pick<
  Socket,
  'on' | 'connect' | 'disconnect' | 'timeout' | 'volatile' | 'active' | 'recovered' | 'connected'
>;

/** How long an acknowledgement is waited for, in milliseconds. */
const ANSWER_WITHIN = 10_000;
const EVENTS = ['newMessage', 'typing', 'userJoined', 'userLeft', 'error'] as const;

/**
 * One Socket.IO connection for all rooms, conversations too. It reconnects by itself; where the server could not make
 * good for the break, the rooms are `heard` anew.
 */
export class ChatroomsLine {
  readonly events = new Emitter<ChatroomsEvents>();
  private readonly $connected = atom(false);
  private readonly wanted = new Set<string>();
  private readonly heard = new Set<string>();
  private socket: ChatroomsSocket | null = null;
  private attempt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  /** The token that was shown last, and whether the server took it. */
  private token: string | null = null;
  private refused = false;

  constructor(
    private readonly tokens: Pick<TokenSource, 'token' | 'renew'>,
    open: (
      auth: (answer: (data: { token: string }) => void) => void,
    ) => Promise<ChatroomsSocket> = openSocket,
  ) {
    void this.start(open);
  }

  get connected(): ReadableAtom<boolean> {
    return this.$connected;
  }

  /** Hears a room of which one is a member, now and after each break. */
  hear(chatroomId: string): void {
    if (this.wanted.has(chatroomId)) return;
    this.wanted.add(chatroomId);
    if (this.socket?.connected) void this.join(chatroomId);
  }

  /** Hears a room no more. */
  forget(chatroomId: string): void {
    this.wanted.delete(chatroomId);
    if (this.heard.delete(chatroomId)) void this.ask('leaveRoom', { chatroomId }).catch(() => {});
  }

  /** Lost without harm where there is no connection. */
  typing(chatroomId: string, isTyping: boolean): void {
    if (this.heard.has(chatroomId)) this.socket?.volatile.emit('typing', { chatroomId, isTyping });
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.retry);
    this.socket?.disconnect();
    this.$connected.set(false);
  }

  private async start(open: NonNullable<ConstructorParameters<typeof ChatroomsLine>[1]>): Promise<void> {
    const socket = await open((answer) => void this.authorize(answer));
    if (this.closed) {
      socket.disconnect();
      return;
    }
    this.socket = socket;
    socket.on('connect', () => this.connects(socket.recovered));
    socket.on('disconnect', () => {
      this.$connected.set(false);
      this.comeBack(socket);
    });
    socket.on('connect_error', (error: Error & { data?: { code?: string } }) => {
      this.refused = error.data?.code === 'AUTHENTICATION_REQUIRED';
      this.comeBack(socket);
    });
    for (const name of EVENTS) socket.on(name, (data) => this.events.emit(name, data));
    socket.connect();
  }

  private async authorize(answer: (data: { token: string }) => void): Promise<void> {
    try {
      const spent = this.refused ? this.token : null;
      this.refused = false;
      this.token = spent ? await this.tokens.renew(spent) : await this.tokens.token();
    } catch {
      // No network: the server says so soon enough.
    }
    answer({ token: this.token ?? '' });
  }

  private connects(recovered: boolean): void {
    this.attempt = 0;
    this.$connected.set(true);
    if (!recovered) this.heard.clear();
    for (const room of this.wanted) if (!this.heard.has(room)) void this.join(room);
  }

  /** Socket.IO reconnects by itself but where the server closed or refused; a server that restarts does. */
  private comeBack(socket: ChatroomsSocket): void {
    if (socket.active || this.closed) return;
    clearTimeout(this.retry);
    this.attempt++;
    this.retry = setTimeout(() => socket.connect(), backoff(this.attempt));
  }

  private async join(chatroomId: string): Promise<void> {
    let answer: Acknowledged<{ seq: number }>;
    try {
      answer = await this.ask<{ seq: number }>('joinRoom', { chatroomId });
    } catch {
      return; // No answer: the next connection asks again.
    }
    if (!this.wanted.has(chatroomId)) return;
    if (answer.ok) {
      this.heard.add(chatroomId);
      this.events.emit('heard', { chatroomId, seq: answer.seq });
    } else if (answer.code !== 'RATE_LIMIT_EXCEEDED') {
      this.wanted.delete(chatroomId);
      this.events.emit('refused', { chatroomId });
    }
  }

  private async ask<T>(event: string, data: object): Promise<Acknowledged<T>> {
    if (!this.socket) throw new Error('not connected');
    return this.socket.timeout(ANSWER_WITHIN).emitWithAck(event, data);
  }
}

async function openSocket(
  auth: (answer: (data: { token: string }) => void) => void,
): Promise<ChatroomsSocket> {
  const { io } = await import('socket.io-client');
  return io({ transports: ['websocket', 'polling'], autoConnect: false, reconnectionDelayMax: 5_000, auth });
}
