import { atom, type ReadableAtom } from 'nanostores';
import type { Socket } from 'socket.io-client';
import type { ChatroomMessage } from '../api/chatrooms';
import type { TokenSource } from '../api/http';
import { Emitter } from '../store/emitter';

export interface ChatroomEvents {
  newMessage: ChatroomMessage;
  typing: { chatroomId: string; user: ChatroomPerson; isTyping: boolean };
  userJoined: { chatroomId: string; user: ChatroomPerson };
  userLeft: { chatroomId: string; user: ChatroomPerson };
  /** Heard again after a connection was lost and could not be taken up: read what came after the last known `seq`. */
  gap: { chatroomId: string; seq: number };
  error: { message: string; code: string };
}

export interface ChatroomPerson {
  id: string | null;
  name: string;
}

type Acknowledged<T> = ({ ok: true } & T) | { ok: false; error: string; code: string };

/** How long an acknowledgement is waited for, in milliseconds. */
const ANSWER_WITHIN = 10_000;

/** One Socket.IO connection for all chatrooms; it reconnects by itself, and hears the joined rooms again. */
export class ChatroomsLine {
  readonly events = new Emitter<ChatroomEvents>();
  private readonly $connected = atom(false);
  private readonly rooms = new Set<string>();
  private readonly socket: Promise<Socket>;

  constructor(tokens: TokenSource) {
    this.socket = this.connect(tokens);
  }

  get connected(): ReadableAtom<boolean> {
    return this.$connected;
  }

  /** Hears a room of which one is a member. Answers with the `seq` of its last message. */
  async join(chatroomId: string): Promise<number> {
    this.rooms.add(chatroomId);
    const { seq } = await this.ask<{ seq: number }>('joinRoom', { chatroomId });
    return seq;
  }

  async leave(chatroomId: string): Promise<void> {
    this.rooms.delete(chatroomId);
    await this.ask('leaveRoom', { chatroomId });
  }

  async post(chatroomId: string, message: string, clientMessageId: string): Promise<ChatroomMessage> {
    const answer = await this.ask<{ message: ChatroomMessage }>('chatroomMessage', {
      chatroomId,
      message,
      clientMessageId,
    });
    return answer.message;
  }

  async typing(chatroomId: string, isTyping: boolean): Promise<void> {
    (await this.socket).volatile.emit('typing', { chatroomId, isTyping });
  }

  async close(): Promise<void> {
    (await this.socket).disconnect();
  }

  private async ask<T>(event: string, data: object): Promise<T> {
    const answer: Acknowledged<T> = await (await this.socket).timeout(ANSWER_WITHIN).emitWithAck(event, data);
    if (!answer.ok) throw new Error(answer.error);
    return answer;
  }

  private async connect(tokens: TokenSource): Promise<Socket> {
    const { io } = await import('socket.io-client');
    const socket = io({
      transports: ['websocket', 'polling'],
      auth: (answer) => void tokens.token().then((token) => answer({ token: token ?? '' })),
    });
    socket.on('connect', () => {
      this.$connected.set(true);
      if (!socket.recovered) void this.hearAgain();
    });
    socket.on('disconnect', () => this.$connected.set(false));
    const names = ['newMessage', 'typing', 'userJoined', 'userLeft', 'error'] as const;
    for (const name of names) socket.on(name, (data) => this.events.emit(name, data));
    return socket;
  }

  private async hearAgain(): Promise<void> {
    for (const chatroomId of this.rooms) {
      const { seq } = await this.ask<{ seq: number }>('joinRoom', { chatroomId });
      this.events.emit('gap', { chatroomId, seq });
    }
  }
}
