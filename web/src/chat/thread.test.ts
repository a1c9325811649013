import { atom } from 'nanostores';
import { afterEach, expect, test, vi } from 'vitest';
import { ApiError } from '../api';
import type { ConversationEvents, ConversationLine } from '../live/conversation';
import { Emitter } from '../store/emitter';
import type { Chats } from './chats';
import { conversation, fakeServer, ME, message, room, settled } from './fakes';
import { PAGE, Thread } from './thread';

let chats: Chats | null = null;
let thread: Thread | null = null;
afterEach(() => {
  thread?.dispose();
  chats?.dispose();
});

const network = new ApiError({ status: 0, code: 'NETWORK', message: '' });
const shown = (of: Thread) =>
  of.timeline.entries
    .get()
    .map((entry) => (entry.state === 'stored' ? entry.message.text : `${entry.draft.text} ${entry.state}`));

async function opened({ messages = 3, ai = false } = {}) {
  const server = fakeServer();
  for (let seq = 1; seq <= messages; seq++) server.posted.push(message('lobby', seq));
  if (ai) server.talks.push(conversation('lobby', message('lobby', messages), true));
  else server.rooms.push(room('lobby'));
  chats = server.open();
  await settled();
  server.line.events.emit('heard', { chatroomId: 'lobby', seq: messages });
  const agent = { events: new Emitter<ConversationEvents>(), state: atom(), close: vi.fn() };
  const open = () =>
    new Thread(
      { api: server.api as never, chats: chats as Chats },
      'lobby',
      () => agent as unknown as ConversationLine,
    );
  thread = open();
  await settled();
  const again = () => {
    thread?.dispose();
    thread = open();
    return thread;
  };
  return { server, it: thread, chats, agent, again };
}

const reconnect = async (server: ReturnType<typeof fakeServer>) => {
  server.line.connected.set(false);
  server.line.connected.set(true);
  await settled();
};

test('it shows the newest page, and goes back page by page to the beginning', async () => {
  const { it, server } = await opened({ messages: 2 * PAGE + 10 });
  expect([shown(it).length, shown(it)[0], it.$older.get()]).toEqual([PAGE, 'm61', 'more']);
  await it.loadOlder();
  server.api.chatrooms.messages.mockRejectedValueOnce(network);
  await it.loadOlder();
  expect(it.$older.get()).toBe('failed');
  await it.loadOlder();
  expect([shown(it).length, it.$older.get()]).toEqual([2 * PAGE + 10, 'nothing']);
  await it.loadOlder();
  expect(shown(it)[0]).toBe('m1');
});

test('what comes live is shown in its place and told, once', async () => {
  const { it, server } = await opened();
  const heard: string[] = [];
  it.$news.listen((news) => news && heard.push(news.text));
  for (const seq of [4, 4, 5]) server.line.events.emit('newMessage', message('lobby', seq));
  server.line.events.emit('newMessage', message('elsewhere', 6));
  expect(shown(it)).toEqual(['m1', 'm2', 'm3', 'm4', 'm5']);
  expect(heard).toEqual(['m4', 'm5']);
});

test('what comes before the first page is not lost', async () => {
  const server = fakeServer();
  server.rooms.push(room('lobby'));
  server.posted.push(message('lobby', 1));
  chats = server.open();
  await settled();
  let answer = (): void => {};
  server.api.chatrooms.messages.mockImplementationOnce(
    () => new Promise((resolve) => (answer = () => resolve([message('lobby', 1)]))),
  );
  thread = new Thread({ api: server.api as never, chats }, 'lobby');
  server.line.events.emit('newMessage', message('lobby', 2));
  answer();
  await settled();
  expect(shown(thread)).toEqual(['m1', 'm2']);
});

test('what was missed is read when the line is back', async () => {
  const { it, server } = await opened();
  server.posted.push(message('lobby', 4), message('lobby', 5));
  server.line.events.emit('heard', { chatroomId: 'lobby', seq: 5 });
  await settled();
  expect(shown(it)).toEqual(['m1', 'm2', 'm3', 'm4', 'm5']);
});

test('an own message that arrived does not hide one just before it that was missed', async () => {
  const { it, server } = await opened();
  server.posted.push(message('lobby', 4)); // Not heard: the line broke.
  it.send('mine');
  await settled();
  expect(shown(it)).toEqual(['m1', 'm2', 'm3', 'mine']);
  server.line.events.emit('heard', { chatroomId: 'lobby', seq: 5 });
  await settled();
  expect(shown(it)).toEqual(['m1', 'm2', 'm3', 'm4', 'mine']);
});

test('messages are shown at once and sent one after the other', async () => {
  const { it, server } = await opened({ messages: 0 });
  it.send(' one ');
  it.send('two');
  it.send('  ');
  expect(shown(it)).toEqual(['one sending', 'two sending']);
  await settled();
  expect(shown(it)).toEqual(['one', 'two']);
  expect(server.posted.map((message) => message.message)).toEqual(['one', 'two']);
});

test('without a network they wait, and go out in their order and under their ids when the line is back', async () => {
  const { it, server } = await opened({ messages: 0 });
  server.api.chatrooms.send.mockRejectedValueOnce(network);
  it.send('one');
  it.send('two');
  const keys = it.timeline.entries.get().map(({ key }) => key);
  await settled();
  expect(shown(it)).toEqual(['one failed', 'two failed']);
  await reconnect(server);
  expect(shown(it)).toEqual(['one', 'two']);
  const [one, two] = keys;
  expect(server.api.chatrooms.send.mock.calls.map(([, , key]) => key)).toEqual([one, one, two]);
});

test('one that is refused does not go out by itself; it can be sent again or discarded', async () => {
  const { it, server } = await opened({ messages: 0 });
  server.api.chatrooms.send.mockRejectedValue(
    new ApiError({ status: 429, code: 'RATE_LIMIT_EXCEEDED', message: '', retryAfter: 30 }),
  );
  it.send('one');
  await settled();
  const entry = it.timeline.entries.get()[0];
  expect(entry).toMatchObject({
    state: 'failed',
    draft: { waits: false, problem: { key: 'error.tooManySeconds' } },
  });
  await reconnect(server);
  expect(server.api.chatrooms.send).toHaveBeenCalledTimes(1);
  it.discard(entry?.key ?? '');
  expect(shown(it)).toEqual([]);
});

test('what waits goes out once there is a connection, though its chat is closed', async () => {
  const { it, server } = await opened({ messages: 0 });
  server.api.chatrooms.send.mockRejectedValueOnce(network);
  it.send('one');
  it.dispose();
  await settled();
  expect(server.posted).toEqual([]);
  await reconnect(server);
  await reconnect(server);
  expect(server.posted.map((message) => message.message)).toEqual(['one']);
  const keys = server.api.chatrooms.send.mock.calls.map(([, , key]) => key);
  expect([keys.length, new Set(keys).size]).toEqual([2, 1]);
});

test('what waits or was refused is there when its chat is opened again', async () => {
  const { it, server, again } = await opened({ messages: 1 });
  const refusal = new ApiError({ status: 403, code: 'INSUFFICIENT_PERMISSIONS', message: '' });
  server.api.chatrooms.send.mockRejectedValueOnce(refusal).mockRejectedValueOnce(network);
  it.send('one');
  it.send('two');
  await settled();
  it.dispose();
  const reopened = again();
  await settled();
  expect(shown(reopened)).toEqual(['m1', 'one failed', 'two failed']);
  await reconnect(server);
  expect(shown(reopened)).toEqual(['m1', 'two', 'one failed']);
  reopened.discard(reopened.timeline.entries.get().at(-1)?.key ?? '');
  expect(shown(again())).toEqual([]);
});

test('what arrived without an answer is not sent again once it is seen', async () => {
  const { it, server, again } = await opened({ messages: 0 });
  const store = server.api.chatrooms.send.getMockImplementation();
  server.api.chatrooms.send.mockImplementationOnce(async (...post) => {
    await store?.(...post);
    throw network;
  });
  it.send('one');
  await settled();
  expect(shown(it)).toEqual(['one failed']);
  it.dispose();
  const reopened = again();
  await settled();
  expect(shown(reopened)).toEqual(['one']);
  await reconnect(server);
  expect(shown(reopened)).toEqual(['one']);
  expect(server.posted).toHaveLength(1);
});

test('what waits is not said by whoever logs in next', async () => {
  const { it, server, chats } = await opened({ messages: 0 });
  server.api.chatrooms.send.mockRejectedValueOnce(network);
  it.send('one');
  it.send('two');
  chats.dispose();
  await reconnect(server);
  expect(server.posted).toEqual([]);
});

test('what was new when it was opened is known; what is seen is read', async () => {
  const { server, it, chats } = await opened();
  expect(it.firstUnread).toBeNull();
  for (const seq of [4, 5]) server.line.events.emit('newMessage', message('lobby', seq));
  const again = new Thread({ api: server.api as never, chats }, 'lobby');
  expect(again.firstUnread).toBe(4);
  again.dispose();
  it.seen();
  expect(chats.find('lobby')?.unread).toBe(0);
});

test('who types is named until they say something', async () => {
  const { it, server } = await opened();
  const ann = { id: 'ann', name: 'Ann' };
  server.line.events.emit('typing', { chatroomId: 'lobby', user: ann, isTyping: true });
  expect(it.$typing.get()).toEqual(['Ann']);
  server.line.events.emit('newMessage', message('lobby', 4));
  expect(it.$typing.get()).toEqual([]);
});

test('the agent thinks after a question, writes piece by piece, and is done with its message', async () => {
  const { it, server, agent } = await opened({ messages: 0, ai: true });
  const delta = (delta: string) => agent.events.emit('delta', { conversation_id: 'lobby', delta });
  server.line.events.emit('newMessage', message('lobby', 1, ME));
  expect(it.$answer.get()).toEqual({ text: '' });
  delta('Hel');
  delta('lo');
  expect(it.$answer.get()).toEqual({ text: 'Hello' });
  await it.cancel();
  expect(server.api.conversations.cancel).toHaveBeenCalledWith('lobby');
  server.line.events.emit('newMessage', message('lobby', 2, 'agent'));
  expect(it.$answer.get()).toBeNull();
});

test('an answer that was joined in its middle says so', async () => {
  const server = fakeServer();
  server.posted.push(message('lobby', 1, ME));
  server.talks.push(conversation('lobby', message('lobby', 1, ME), true));
  chats = server.open();
  await settled();
  const agent = { events: new Emitter<ConversationEvents>(), close: vi.fn() };
  thread = new Thread(
    { api: server.api as never, chats },
    'lobby',
    () => agent as unknown as ConversationLine,
  );
  await settled();
  agent.events.emit('delta', { conversation_id: 'lobby', delta: 'the rest' });
  expect(thread.$answer.get()).toEqual({ text: '…the rest' });
});

test('a chat that cannot be read says why, and can be tried again', async () => {
  const server = fakeServer();
  server.rooms.push(room('lobby'));
  chats = server.open();
  await settled();
  server.api.chatrooms.messages.mockRejectedValueOnce(network);
  thread = new Thread({ api: server.api as never, chats }, 'lobby');
  await settled();
  expect(thread.$state.get()).toEqual({ status: 'failed', problem: { key: 'error.network' } });
  await thread.load();
  expect(thread.$state.get().status).toBe('ready');
});
