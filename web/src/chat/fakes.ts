/** A server's chats for tests: what the API would say, and a line on which the test speaks. */
import { atom } from 'nanostores';
import { vi } from 'vitest';
import type { Chatroom, ChatroomMessage } from '../api/chatrooms';
import type { Conversation } from '../api/conversations';
import type { TokenKeeper } from '../api/tokens';
import type { ChatroomsEvents } from '../live/chatrooms';
import { Emitter } from '../store/emitter';
import { Chats } from './chats';
import { ReadMarks } from './marks';

export const ME = 'me';
export const START = Date.parse('2024-01-20T10:00:00Z');

/** The `seq`th message of a room, a minute after the one before. */
export function message(room: string, seq: number, author = 'ann'): ChatroomMessage {
  return {
    id: `${room}-${seq}`,
    chatroomId: room,
    sender: { id: author, name: author },
    message: `m${seq}`,
    timestamp: new Date(START + seq * 60_000).toISOString(),
    seq,
  };
}

export function conversation(id: string, last: ChatroomMessage | null, isAi = false): Conversation {
  return {
    conversation_id: id,
    is_ai: isAi,
    participants: [
      { user_id: ME, name: 'Me' },
      { user_id: isAi ? 'agent' : 'ann', name: isAi ? 'AI' : 'Ann' },
    ],
    created_at: new Date(START).toISOString(),
    title: null,
    last_message: last && {
      message_id: last.id,
      sender_id: last.sender.id,
      sender_name: last.sender.name,
      message: last.message,
      timestamp: last.timestamp,
      seq: last.seq,
    },
  };
}

export const room = (id: string, members: string[] = [ME, 'ann']): Chatroom => ({
  id,
  name: id,
  members: members.map((id) => ({ id, name: id })),
  created_at: new Date(START).toISOString(),
});

/** Lets go of what was promised. */
export const settled = () => new Promise((resolve) => setTimeout(resolve));

export function fakeServer() {
  const talks: Conversation[] = [];
  const rooms: Chatroom[] = [];
  const posted: ChatroomMessage[] = [];
  const shelf = new Map<string, string>();
  const storage = {
    getItem: (key: string) => shelf.get(key) ?? null,
    setItem: (key: string, value: string) => void shelf.set(key, value),
    removeItem: (key: string) => void shelf.delete(key),
  };
  const api = {
    conversations: {
      list: vi.fn(async () => talks),
      open: vi.fn(async () => conversation('new', null)),
      cancel: vi.fn(async () => ({ cancelled: true })),
    },
    chatrooms: {
      list: vi.fn(async () => rooms),
      get: vi.fn(async (id: string) => rooms.find((room) => room.id === id)),
      join: vi.fn(async () => ({})),
      leave: vi.fn(async () => ({})),
      messages: vi.fn(
        async (id: string, { limit = 100, before_seq = 1e9, since_seq }: Parameters<Range>[0] = {}) => {
          const all = posted.filter((message) => message.chatroomId === id && message.seq < before_seq);
          if (since_seq !== undefined) return all.filter(({ seq }) => seq > since_seq).slice(0, limit);
          return all.slice(-limit);
        },
      ),
      send: vi.fn(async (id: string, text: string, key: string) => {
        const seq = posted.filter((message) => message.chatroomId === id).length + 1;
        const sent = { ...message(id, seq, ME), message: text, clientMessageId: key };
        posted.push(sent);
        return sent;
      }),
    },
    tokens: {} as TokenKeeper,
  };
  const line = {
    events: new Emitter<ChatroomsEvents>(),
    connected: atom(true),
    hear: vi.fn(),
    forget: vi.fn(),
    typing: vi.fn(),
    close: vi.fn(),
  };
  const open = () => new Chats({ api: api as never }, ME, line, new ReadMarks(ME, storage));
  return { talks, rooms, posted, api, line, open };
}

type Range = (range: { limit?: number; before_seq?: number; since_seq?: number }) => void;
