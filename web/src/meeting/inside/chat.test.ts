import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from '../../api/errors';
import type { MeetingMessage, MeetingMessagePage } from '../../api/platform';
import type { ChatMessage } from '../../live/meeting';
import { MeetingChat } from './chat';
import { FakeLine } from './testing';

const ME = { code: '123-456-789', userId: 'user-me', participantId: 'participant-me', token: 'secret' };

let line: FakeLine;
let chat: MeetingChat;
let history: MeetingMessage[];
let asked: { page?: number; token: string | undefined }[];
let posted: { content: string; id: string }[];
let failing: boolean;

const stored = (seq: number, more: Partial<MeetingMessage> = {}): MeetingMessage => ({
  id: `message-${seq}`,
  meeting_id: 'meeting-1',
  sender_user_id: 'user-ann',
  sender_name: 'Ann',
  content: `m${seq}`,
  message_type: 'text',
  is_private: false,
  recipient_user_id: null,
  seq,
  created_at: '2026-01-01T00:00:00Z',
  ...more,
});

const live = (seq: number, more: Partial<ChatMessage> = {}): ChatMessage => ({
  message_id: `message-${seq}`,
  sender_id: 'user-ann',
  sender_name: 'Ann',
  content: `m${seq}`,
  message_type: 'text',
  is_private: false,
  recipient_user_id: null,
  timestamp: '2026-01-01T00:00:00Z',
  seq,
  ...more,
});

const api = {
  platform: {
    async messages(_: string, { page = 1, limit = 50 } = {}, token?: string): Promise<MeetingMessagePage> {
      asked.push({ page, token });
      const pages = Math.ceil(history.length / limit);
      return {
        messages: history.slice((page - 1) * limit, page * limit),
        pagination: { page, limit, total: history.length, pages, has_next: page < pages, has_prev: page > 1 },
      };
    },
    async sendMessage(_: string, { content }: { content: string }, id: string): Promise<MeetingMessage> {
      if (failing) throw new ApiError({ status: 0, code: 'NETWORK', message: 'down' });
      posted.push({ content, id });
      return stored(100, { sender_user_id: 'user-me', sender_name: 'Me', content });
    },
  },
};

const nameOf = (id: string) => (id === 'user-ann' ? 'Ann' : null);
const make = (me: Partial<typeof ME> | { userId: null } = {}) =>
  new MeetingChat({ api, line: line.asLine, nameOf }, { ...ME, ...me });

beforeEach(() => {
  vi.useFakeTimers();
  [line, history, asked, posted, failing] = [new FakeLine(), [], [], [], false];
  chat = make();
});
afterEach(() => {
  chat.dispose();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const connect = () =>
  line.events.emit('connected', {
    participant_id: 'participant-me',
    status: 'joined',
    seq: history.length,
    meeting: null,
    participants: [],
  });
const settle = () => vi.advanceTimersByTimeAsync(0);
const shown = () =>
  chat.timeline.entries
    .get()
    .map((entry) =>
      entry.state === 'stored' ? entry.message.content : `${entry.draft.content} (${entry.state})`,
    );

test('the newest page is read first, the ones before on demand', async () => {
  history = Array.from({ length: 120 }, (_, index) => stored(index + 1));
  connect();
  await settle();
  expect(shown()).toEqual(Array.from({ length: 20 }, (_, index) => `m${index + 101}`));
  expect(chat.$history.get()).toEqual({ status: 'ready', more: true });
  await chat.load();
  expect(shown()[0]).toBe('m51');
  await chat.load();
  expect(shown()).toHaveLength(120);
  expect(chat.$history.get()).toEqual({ status: 'ready', more: false });
});

test('a guest reads by the meeting’s token, a person by their own', async () => {
  connect();
  await settle();
  expect(asked.every(({ token }) => token === undefined)).toBe(true);
  asked = [];
  chat = make({ userId: null });
  connect();
  await settle();
  expect(asked[0]?.token).toBe('secret');
});

test('a message is there at once, and is the server’s when it comes back', () => {
  chat.send('  hello ', null);
  expect(shown()).toEqual(['hello (sending)']);
  const [command] = line.sent;
  const id = command?.type === 'chat_message' ? command.data.client_message_id : '';
  line.events.emit(
    'chat_message',
    live(1, { sender_id: 'user-me', content: 'hello', client_message_id: id }),
  );
  expect(shown()).toEqual(['hello']);
  expect(chat.$unseen.get()).toBe(0);
  expect(chat.sent).toBe(1);
});

test('a page that came without TLS sends too', () => {
  // Browsers keep `randomUUID` from it.
  vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
  chat.send('hello', null);
  expect(line.sent).toMatchObject([{ type: 'chat_message', data: { content: 'hello' } }]);
});

test('what the server does not give back has failed, and can be sent again as the same message', () => {
  chat.send('hello', null);
  vi.advanceTimersByTime(11_000);
  expect(shown()).toEqual(['hello (failed)']);
  const [entry] = chat.timeline.entries.get();
  chat.retry(entry?.key ?? '');
  expect(shown()).toEqual(['hello (sending)']);
  const ids = line.sent.map((command) => command.type === 'chat_message' && command.data.client_message_id);
  expect(ids[0]).toBe(ids[1]);
});

test('while the line is down messages go by REST', async () => {
  line.state.set({ status: 'waiting', attempt: 1, retryAt: 0 });
  chat.send('hello', null);
  await settle();
  expect(posted).toHaveLength(1);
  expect(shown()).toEqual(['hello']);
  failing = true;
  chat.send('lost', null);
  await settle();
  expect(shown()).toEqual(['hello', 'lost (failed)']);
});

test('a private message says whom it is for, a guest too', () => {
  chat.send('psst', { id: 'participant-bob', name: 'Bob' });
  const [command] = line.sent;
  expect(command).toMatchObject({ data: { recipient_user_id: 'participant-bob' } });
  const id = command?.type === 'chat_message' ? command.data.client_message_id : '';
  const mine = { sender_id: 'user-me', is_private: true, client_message_id: id };
  line.events.emit('chat_message', live(1, mine));
  line.events.emit(
    'chat_message',
    live(2, { sender_id: 'user-me', is_private: true, recipient_user_id: 'user-ann' }),
  );
  const to = chat.timeline.entries.get().map((entry) => entry.state === 'stored' && entry.message.privateTo);
  expect(to).toEqual(['Bob', 'Ann']);
});

test('messages of others count while the chat is closed', () => {
  line.events.emit('chat_message', live(1));
  line.events.emit('chat_message', live(2));
  expect(chat.$unseen.get()).toBe(2);
  chat.setOpen(true);
  line.events.emit('chat_message', live(3));
  expect(chat.$unseen.get()).toBe(0);
});

test('who writes is told for a little, and not after their message', () => {
  const typing = {
    user_id: 'user-ann',
    participant_id: 'participant-ann',
    display_name: 'Ann',
    is_typing: true,
  };
  line.events.emit('typing', typing);
  expect(chat.$writers.get()).toEqual(['Ann']);
  line.events.emit('chat_message', live(1));
  expect(chat.$writers.get()).toEqual([]);
  line.events.emit('typing', typing);
  vi.advanceTimersByTime(5_000);
  expect(chat.$writers.get()).toEqual([]);
});

test('others hear that one types now and then, not with each letter', () => {
  for (let letter = 0; letter < 20; letter++) chat.typing();
  expect(line.sent).toHaveLength(1);
  vi.advanceTimersByTime(2_500);
  chat.typing();
  expect(line.sent).toHaveLength(2);
});
