import { afterEach, expect, test } from 'vitest';
import type { Chats } from './chats';
import { conversation, fakeServer, ME, message, room, settled } from './fakes';

let chats: Chats | null = null;
afterEach(() => chats?.dispose());

const shown = (of: Chats) => {
  const state = of.$state.get();
  return state.status === 'ready' ? state.chats.map(({ id, unread }) => [id, unread]) : state.status;
};

async function begun(server: ReturnType<typeof fakeServer>): Promise<Chats> {
  chats = server.open();
  await settled();
  return chats;
}

test('conversations and chatrooms are one list, the last active first, and all are heard', async () => {
  const server = fakeServer();
  server.talks.push(conversation('talk', message('talk', 5)), conversation('silent', null));
  server.rooms.push(room('lobby'));
  server.posted.push(message('lobby', 9));
  const it = await begun(server);
  server.line.events.emit('heard', { chatroomId: 'lobby', seq: 9 });
  await settled();
  expect(shown(it)).toEqual([
    ['lobby', 0],
    ['talk', 0],
    ['silent', 0],
  ]);
  expect(it.find('lobby')?.last?.text).toBe('m9');
  expect(server.line.hear.mock.calls.flat().sort()).toEqual(['lobby', 'silent', 'talk']);
});

test('what comes is counted until it is read; what one says oneself is read', async () => {
  const server = fakeServer();
  server.talks.push(conversation('talk', message('talk', 5, ME)));
  const it = await begun(server);
  server.line.events.emit('heard', { chatroomId: 'talk', seq: 5 });
  for (const seq of [6, 7]) server.line.events.emit('newMessage', message('talk', seq));
  expect([shown(it), it.$unread.get()]).toEqual([[['talk', 2]], 1]);
  it.read('talk', 6);
  expect(shown(it)).toEqual([['talk', 1]]);
  server.line.events.emit('newMessage', message('talk', 8, ME));
  expect([shown(it), it.$unread.get()]).toEqual([[['talk', 0]], 0]);
});

test('what was missed counts as soon as the line is back, and after a reload', async () => {
  const server = fakeServer();
  server.talks.push(conversation('talk', message('talk', 5, ME)));
  const it = await begun(server);
  server.line.events.emit('heard', { chatroomId: 'talk', seq: 5 });
  server.line.events.emit('heard', { chatroomId: 'talk', seq: 8 });
  expect(shown(it)).toEqual([['talk', 3]]);
  it.dispose();
  server.talks[0] = conversation('talk', message('talk', 9));
  expect(shown(await begun(server))).toEqual([['talk', 4]]);
});

test('what comes to a new device between its look at the lists and its hearing is new', async () => {
  const server = fakeServer();
  server.talks.push(conversation('silent', null), conversation('talk', message('talk', 5, ME)));
  const it = await begun(server);
  server.line.events.emit('heard', { chatroomId: 'silent', seq: 1 });
  server.line.events.emit('heard', { chatroomId: 'talk', seq: 7 });
  expect(new Map(shown(it) as [string, number][])).toEqual(
    new Map([
      ['silent', 1],
      ['talk', 2],
    ]),
  );
});

test('a new device asks one to look at no more than the last word; a conversation that appears later is all new', async () => {
  const server = fakeServer();
  server.talks.push(conversation('old', message('old', 40)));
  server.rooms.push(room('lobby'));
  const it = await begun(server);
  server.line.events.emit('heard', { chatroomId: 'old', seq: 40 });
  server.line.events.emit('heard', { chatroomId: 'lobby', seq: 70 });
  expect(shown(it)).toEqual([
    ['old', 1],
    ['lobby', 0],
  ]);
  it.dispose();
  server.talks.push(conversation('new', message('new', 3)));
  const again = await begun(server);
  expect(new Map(shown(again) as [string, number][]).get('new')).toBe(3);
});

test('a chat that was opened while the lists were read stays', async () => {
  const server = fakeServer();
  const it = await begun(server);
  const reading = it.refresh();
  await it.openWith(['ann']);
  await reading;
  expect(it.find('new')?.kind).toBe('person');
  await it.refresh();
  expect(it.find('new')).toBeNull();
});

test('a chat that one is no longer in goes, and with it its line', async () => {
  const server = fakeServer();
  server.rooms.push(room('lobby'), room('kitchen'));
  const it = await begun(server);
  await it.leaveRoom('lobby');
  server.line.events.emit('refused', { chatroomId: 'kitchen' });
  expect(shown(it)).toEqual([]);
  expect(server.line.forget.mock.calls).toEqual([['lobby'], ['kitchen']]);
});

test('who came is there until they go, or until the line breaks', async () => {
  const server = fakeServer();
  server.talks.push(conversation('talk', null));
  const it = await begun(server);
  const ann = { chatroomId: 'talk', user: { id: 'ann', name: 'Ann' } };
  server.line.events.emit('userJoined', ann);
  expect(it.$here.get()).toEqual({ talk: ['ann'] });
  server.line.events.emit('userLeft', ann);
  expect(it.$here.get()).toEqual({ talk: [] });
  server.line.events.emit('userJoined', ann);
  server.line.connected.set(false);
  expect(it.$here.get()).toEqual({});
});

test('lists that cannot be read are a problem the first time alone', async () => {
  const server = fakeServer();
  server.api.conversations.list.mockRejectedValueOnce(new Error('x'));
  const it = await begun(server);
  expect(it.$state.get().status).toBe('failed');
  await it.refresh();
  server.api.conversations.list.mockRejectedValueOnce(new Error('x'));
  await it.refresh();
  expect(shown(it)).toEqual([]);
});
