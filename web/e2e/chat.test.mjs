import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { io } from 'socket.io-client';
import { openAs, person } from './support/accounts.mjs';
import { model } from './support/model.mjs';
import { violations, world } from './support/world.mjs';

let convo;
let ai;
before(async () => {
  ai = await model();
  convo = await world({ AI_BASE_URL: ai.url, AI_MODEL: 'test' });
});
after(async () => {
  await convo.end();
  await ai.end();
});

/** A Socket.IO client that is no browser, in a room. */
async function script(who, chatroomId) {
  const socket = io(convo.url, { auth: { token: who.token }, transports: ['websocket'], forceNew: true });
  const heard = [];
  socket.on('newMessage', (message) => heard.push(message));
  const { ok } = await socket.emitWithAck('joinRoom', { chatroomId });
  assert.ok(ok);
  return { socket, heard };
}

const said = (page, text) => page.getByRole('log').getByText(text, { exact: true });
const field = (page) => page.getByRole('textbox', { name: /^Message to/ });
async function say(page, text) {
  await field(page).fill(text);
  await field(page).press('Enter');
}

async function until(what, holds) {
  for (const end = Date.now() + 10_000; Date.now() < end; await new Promise((go) => setTimeout(go, 25))) {
    if (await holds()) return;
  }
  assert.fail(`never: ${what}`);
}

test('two browsers and a Socket.IO client talk in a chatroom', async () => {
  const [ann, bob, cem] = await Promise.all(['Ann', 'Bob', 'Cem'].map((name) => person(convo.url, name)));
  const a = await openAs(convo, ann, '/chat');
  await a.getByRole('button', { name: 'New chat' }).click();
  await a.getByRole('menuitem', { name: 'Create a chatroom' }).click();
  await a.getByRole('textbox', { name: 'Name of the chatroom' }).fill('Lobby');
  await a.getByRole('button', { name: 'Create' }).click();
  await a.getByRole('heading', { level: 2, name: 'Lobby' }).waitFor();
  const room = new URL(a.url()).pathname.split('/').at(-1);

  const b = await openAs(convo, bob, '/chat');
  await b.getByRole('button', { name: 'New chat' }).click();
  await b.getByRole('menuitem', { name: 'Find chatrooms' }).click();
  await b.getByRole('searchbox', { name: 'Name of the chatroom' }).fill('lob');
  await b.getByRole('button', { name: 'Join Lobby' }).click();
  await b.getByRole('heading', { level: 2, name: 'Lobby' }).waitFor();
  await a.getByText('2 members').waitFor();

  await cem.call(`/api/chatroom/${room}/join`, { method: 'POST' });
  const c = await script(cem, room);

  await say(a, 'Hello from Ann');
  await said(b, 'Hello from Ann').waitFor();
  await field(b).pressSequentially('Hel');
  await a.getByText('Bob Lee is typing…').waitFor();
  await say(b, 'Hello from Bob');
  await said(a, 'Hello from Bob').waitFor();
  await a.getByText('Bob Lee is typing…').waitFor({ state: 'hidden' });
  await c.socket.emitWithAck('chatroomMessage', { chatroomId: room, message: 'Hello from a script' });
  await said(a, 'Hello from a script').waitFor();
  await said(b, 'Hello from a script').waitFor();
  await until('the script hears all', () => c.heard.length === 3);
  assert.deepEqual(
    c.heard.map(({ message }) => message),
    ['Hello from Ann', 'Hello from Bob', 'Hello from a script'],
  );
  // New messages are read out.
  await a.locator('[aria-live=polite]').getByText('Cem Lee: Hello from a script').waitFor();

  await b.getByRole('button', { name: 'More about this chat' }).click();
  await b.getByRole('menuitem', { name: 'Leave the chatroom' }).click();
  await b.getByText('You left Lobby.').first().waitFor();
  assert.equal(await b.getByRole('link', { name: /Lobby/ }).count(), 0);
  await a.getByText('2 members').waitFor();
  c.socket.disconnect();
  assert.deepEqual([a.wrongs, b.wrongs], [[], []]);
  await Promise.all([a.context().close(), b.context().close()]);
});

test('two people share a conversation, and each sees what is new on their device', async () => {
  const [dora, emil] = await Promise.all(['Dora', 'Emil'].map((name) => person(convo.url, name)));
  const d = await openAs(convo, dora, '/chat');
  await d.getByRole('button', { name: 'New chat' }).click();
  await d.getByRole('menuitem', { name: 'Talk to people' }).click();
  await d.getByRole('searchbox', { name: 'Name or e-mail' }).fill('emil');
  await d.getByRole('checkbox', { name: /Emil Lee/ }).check();
  await d.getByRole('button', { name: 'Start' }).click();
  await say(d, 'One');
  await say(d, 'Two');
  await d.locator('[data-state=stored]').nth(1).waitFor();

  const e = await openAs(convo, emil, '/');
  await e.getByRole('link', { name: /Chat.*1 chat with new messages/ }).click();
  await e.getByRole('link', { name: /Dora Lee.*unread/ }).waitFor();
  await say(d, 'Three');
  await e.getByRole('link', { name: /Dora Lee.*Three.*2 unread messages/ }).click();
  await said(e, 'Two').waitFor();
  await e.getByText('New', { exact: true }).waitFor();
  await e.getByRole('link', { name: /unread/ }).waitFor({ state: 'detached' });
  // While the chat is open, what comes is read at once; so it is after a reload.
  await say(d, 'Four');
  await said(e, 'Four').waitFor();
  await e.goto('/chat');
  await e.getByRole('link', { name: /Dora Lee/ }).waitFor();
  assert.equal(await e.getByRole('link', { name: /unread/ }).count(), 0);
  // Who came while one looks on is shown to be there.
  await d.getByText('Online').waitFor();
  assert.deepEqual([d.wrongs, e.wrongs], [[], []]);
  await Promise.all([d.context().close(), e.context().close()]);
});

test('the agent’s answer is shown as it is written, and can be broken off', async () => {
  const page = await openAs(convo, await person(convo.url, 'Fay'), '/chat');
  await page.getByRole('button', { name: 'New chat' }).click();
  await page.getByRole('menuitem', { name: 'Ask the assistant' }).click();
  await page.getByLabel('Your question').fill('What is **one** and one?');
  await page.getByRole('button', { name: 'Start' }).click();
  assert.equal(await ai.question(), 'What is **one** and one?');
  await field(page).waitFor();
  ai.say('It is ');
  ai.say('`two`.');
  ai.finish();
  await page.getByRole('log').getByText('It is two.').waitFor();

  await say(page, 'And then?');
  await page.getByText('The assistant is thinking…').waitFor();
  await ai.question();
  ai.say('Then comes ');
  await page.getByRole('log').getByText('Then comes').waitFor();
  ai.say('three, four');
  await page.getByRole('log').getByText('Then comes three, four').waitFor();
  assert.equal(await page.locator('[data-state=stored]').count(), 3);
  await page.getByRole('button', { name: 'Stop the answer' }).first().click();
  await page.locator('[data-state=stored]').nth(3).waitFor();
  await said(page, 'Then comes three, four').waitFor();
  await page.getByRole('button', { name: 'Stop the answer' }).first().waitFor({ state: 'detached' });
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

/** A chatroom of one person with so many messages, posted at once: the server keeps their order, and commits them together. */
async function room(who, count) {
  const { id } = await who.call('/api/chatroom/', { body: { name: 'Archive' } });
  const { socket } = await script(who, id);
  const words = (number) =>
    `Message ${number}${number % 7 === 0 ? `\n${'and more words, '.repeat(20)}` : ''}`;
  const posts = Array.from({ length: count }, (_, index) =>
    socket.emitWithAck('chatroomMessage', { chatroomId: id, message: words(index + 1) }),
  );
  for (const { ok } of await Promise.all(posts)) assert.ok(ok);
  socket.disconnect();
  return id;
}

test('history comes in above without moving what one looks at', async () => {
  const gus = await person(convo.url, 'Gus');
  const id = await room(gus, 160);
  const page = await openAs(convo, gus, `/chat/${id}`);
  await said(page, 'Message 160').waitFor();
  const log = page.getByRole('log');
  const keys = () => page.locator('[data-key]').count();
  assert.equal(await keys(), 50);

  // Where each element is before and after the page comes in.
  const place = (key) =>
    page.evaluate((key) => document.querySelector(`[data-key="${key}"]`).getBoundingClientRect().top, key);
  await log.evaluate((box) => box.scrollTo({ top: 700, behavior: 'instant' }));
  await until('a page of history', async () => (await keys()) === 100);
  const first = await page.evaluate(() => {
    const edge = document.querySelector('[role=log]').getBoundingClientRect().top;
    const all = [...document.querySelectorAll('[data-key]')];
    return all.find((element) => element.getBoundingClientRect().bottom > edge).dataset.key;
  });
  // The third page is held back until the place was measured.
  let release;
  const held = new Promise((resolve) => (release = resolve));
  await page.route('**/api/message/*before_seq*', async (route) => {
    await held;
    await route.continue();
  });
  await log.evaluate((box) => box.scrollTo({ top: 300, behavior: 'instant' }));
  const seen = await page.evaluate(() => {
    const edge = document.querySelector('[role=log]').getBoundingClientRect().top;
    const all = [...document.querySelectorAll('[data-key]')];
    return all.find((element) => element.getBoundingClientRect().bottom > edge).dataset.key;
  });
  assert.notEqual(seen, first);
  const top = await place(seen);
  release();
  await until('another page', async () => (await keys()) === 150);
  assert.ok(Math.abs((await place(seen)) - top) < 2, 'it moved');

  // To the very beginning by keyboard.
  await log.focus();
  const scrolled = () => log.evaluate((box) => box.scrollTop);
  await until('the beginning', async () => {
    if ((await keys()) === 160 && (await scrolled()) === 0) return true;
    await page.keyboard.press('Home');
    return false;
  });
  await page.getByText('This is where it begins.').waitFor();
  // What comes meanwhile does not pull one down.
  await gus.call('/api/message/', { body: { chatroomId: id, message: 'Late' } });
  await said(page, 'Late').waitFor({ state: 'attached' });
  assert.equal(await scrolled(), 0);
  await page.getByRole('button', { name: 'To the newest message' }).click();
  assert.ok(await said(page, 'Late').isVisible());
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test('what is written without a network waits, is sent when it is back, and arrives once', async () => {
  const hal = await person(convo.url, 'Hal');
  const id = await room(hal, 2);
  const page = await openAs(convo, hal, `/chat/${id}`);
  await said(page, 'Message 2').waitFor();
  await page.context().setOffline(true);
  await say(page, 'First of two');
  await say(page, 'Second of two');
  await page.getByText('goes out as soon as there is a connection').nth(1).waitFor();
  await page.context().setOffline(false);
  await until('both are stored', async () => (await page.locator('[data-state=stored]').count()) === 4);
  const stored = await hal.call(`/api/message/${id}`);
  assert.deepEqual(
    stored.map(({ message }) => message),
    ['Message 1', 'Message 2', 'First of two', 'Second of two'],
  );
  await page.context().close();
});

test('a message whose answer is lost is sent again and stored once', async () => {
  const ida = await person(convo.url, 'Ida');
  const id = await room(ida, 1);
  const page = await openAs(convo, ida, `/chat/${id}`);
  await said(page, 'Message 1').waitFor();
  let lost = 0;
  await page.route('**/api/message/', async (route) => {
    if (lost++ > 0) return route.continue();
    await route.fetch();
    return route.abort();
  });
  await say(page, 'Only once');
  await page.locator('[data-state=stored]').nth(1).waitFor();
  await until('the second try', () => lost > 1);
  assert.equal((await ida.call(`/api/message/${id}`)).length, 2);
  assert.equal(await said(page, 'Only once').count(), 1);
  await page.context().close();
});

test('what is said after a message that waits is stored after it', async () => {
  const wim = await person(convo.url, 'Wim');
  const { id } = await wim.call('/api/chatroom/', { body: { name: 'In order' } });
  const page = await openAs(convo, wim, `/chat/${id}`);
  // As often as one try asks.
  let down = 3;
  await page.route('**/api/message/', (route) =>
    down-- > 0 ? route.fulfill({ status: 503, json: { detail: 'busy' } }) : route.continue(),
  );
  await say(page, 'First');
  await page.locator('[data-state=failed]').waitFor();
  await say(page, 'Second');
  await page.locator('[data-state=stored]').nth(1).waitFor();
  const stored = await wim.call(`/api/message/${id}`);
  assert.deepEqual(
    stored.map(({ message }) => message),
    ['First', 'Second'],
  );
  await page.context().close();
});

test('Enter that confirms a word of an input method sends nothing', async () => {
  const xia = await person(convo.url, 'Xia');
  const { id } = await xia.call('/api/chatroom/', { body: { name: 'Words' } });
  const page = await openAs(convo, xia, `/chat/${id}`);
  await field(page).fill('你好');
  // As Safari tells of it: after the composition.
  await field(page).evaluate((element) =>
    element.dispatchEvent(
      new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true }),
    ),
  );
  assert.equal(await field(page).inputValue(), '你好');
  await field(page).press('Enter');
  await said(page, '你好').waitFor();
  await page.context().close();
});

test('a double click starts one meeting, and invites to it once', async () => {
  const yin = await person(convo.url, 'Yin');
  const { id } = await yin.call('/api/chatroom/', { body: { name: 'Hurried' } });
  const page = await openAs(convo, yin, `/chat/${id}`);
  await page.getByRole('button', { name: 'Start a meeting' }).dblclick();
  await page.waitForURL(/\/meeting\//);
  assert.equal((await yin.call(`/api/message/${id}`)).length, 1);
  assert.equal((await yin.call('/api/v1/meetings')).meetings.length, 1);
  await page.context().close();
});

test('a message that is refused says why, and can be discarded; a draft stays', async () => {
  const joe = await person(convo.url, 'Joe');
  const id = await room(joe, 1);
  const page = await openAs(convo, joe, `/chat/${id}`);
  await said(page, 'Message 1').waitFor();
  await page.route('**/api/message/', (route) =>
    route.fulfill({ status: 403, json: { detail: 'No', error_code: 'INSUFFICIENT_PERMISSIONS' } }),
  );
  await say(page, 'Never');
  await page.getByRole('alert').getByText('You are not allowed to do this.').waitFor();
  await page.getByRole('button', { name: 'Discard' }).click();
  await said(page, 'Never').waitFor({ state: 'detached' });
  await field(page).fill('Not finis');
  await page.reload();
  await said(page, 'Message 1').waitFor();
  assert.equal(await field(page).inputValue(), 'Not finis');
  await page.context().close();
});

test('a tab that did not see the moment between two accounts is the second one’s', async () => {
  const [ula, vic] = await Promise.all(['Ula', 'Vic'].map((name) => person(convo.url, name)));
  await ula.call('/api/chatroom/', { body: { name: 'Of Ula' } });
  await vic.call('/api/chatroom/', { body: { name: 'Of Vic' } });
  const page = await openAs(convo, ula, '/chat');
  await page.getByRole('link', { name: /Of Ula/ }).waitFor();
  const other = await page.context().newPage();
  await other.goto('/nowhere');
  await other.evaluate(
    (session) => localStorage.setItem('convo.session', session),
    JSON.stringify(vic.session),
  );
  await page.getByRole('button', { name: 'Account: Vic Lee' }).waitFor();
  await page.getByRole('link', { name: /Of Vic/ }).waitFor();
  assert.equal(await page.getByRole('link', { name: /Of Ula/ }).count(), 0);
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test('what people write is shown, not run', async () => {
  const kim = await person(convo.url, 'Kim');
  const { id } = await kim.call('/api/chatroom/', { body: { name: '<img src=x onerror=alert(1)>' } });
  const message = [
    '<script>alert(1)</script> javascript:alert(1) [click](javascript:alert(1))',
    'https://example.org/a_(b). and [the bank](https://evil.example/login) https://user@evil.example/',
    `\`\`\`\nif (a < b) ${'x'.repeat(300)}\n\`\`\``,
    'w'.repeat(500),
  ].join('\n');
  await kim.call('/api/message/', { body: { chatroomId: id, message } });
  const page = await openAs(convo, kim, `/chat/${id}`, { viewport: { width: 390, height: 844 } });
  await page.getByRole('log').getByText('<script>').waitFor();
  const links = await page
    .getByRole('log')
    .getByRole('link')
    .evaluateAll((all) => all.map((link) => [link.textContent, link.href, link.rel, link.target]));
  const rel = 'noopener noreferrer nofollow ugc';
  assert.deepEqual(links, [
    ['https://example.org/a_(b)', 'https://example.org/a_(b)', rel, '_blank'],
    ['the bank', 'https://evil.example/login', rel, '_blank'],
  ]);
  await page.getByText('(evil.example)').waitFor();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(wide, false, 'the page scrolls sideways');
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test('by keyboard alone from registration to a message', async () => {
  for (const name of ['Lea', 'Uma']) await person(convo.url, name);
  const page = await convo.open();
  await page.goto('/');
  /** Presses Tab until the focus is on what is called so. */
  const reach = async (name, role) => {
    for (let presses = 0; presses < 60; presses++) {
      const target = page.getByRole(role, { name }).first();
      if ((await target.count()) && (await target.evaluate((element) => element === document.activeElement)))
        return;
      await page.keyboard.press('Tab');
    }
    assert.fail(`not reached: ${name}`);
  };
  await reach('Create account', 'link');
  await page.keyboard.press('Enter');
  await page.getByLabel('First name').waitFor();
  await reach('First name', 'textbox');
  await page.keyboard.type('Max');
  await page.keyboard.press('Tab');
  await page.keyboard.type('Lee');
  await page.keyboard.press('Tab');
  await page.keyboard.type('max.lee@example.com');
  await page.keyboard.press('Tab');
  await page.keyboard.type('Secure123');
  await page.keyboard.press('Enter');
  await page.getByText('Nothing planned').waitFor();
  await reach('Chat', 'link');
  await page.keyboard.press('Enter');
  await page.getByText('No chats yet').waitFor();
  await reach('New chat', 'button');
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Talk to people' }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('searchbox').waitFor();
  // Everybody is there before somebody is searched for.
  await page.getByRole('checkbox').nth(1).waitFor();
  await page.keyboard.type('lea');
  await page.getByRole('checkbox').nth(1).waitFor({ state: 'detached' });
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await page.keyboard.press('Enter');
  await field(page).waitFor();
  await reach(/^Message to/, 'textbox');
  await page.keyboard.type('Typed');
  await page.keyboard.press('Enter');
  await page.locator('[data-state=stored]').waitFor();
  await said(page, 'Typed').waitFor();
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing in chats, ${colorScheme}`, async () => {
    const nia = await person(convo.url, `Nia${colorScheme}`);
    await person(convo.url, `Oda${colorScheme}`);
    const id = await room(nia, 60);
    await nia.call('/api/conversations', { body: { is_ai: true, title: 'Empty' } });
    const page = await openAs(convo, nia, '/chat', { colorScheme });
    await page.getByRole('link', { name: /Archive/ }).waitFor();
    assert.deepEqual(await violations(page), [], 'list');
    await page.getByRole('link', { name: /Archive/ }).click();
    await said(page, 'Message 60').waitFor();
    await page.context().setOffline(true);
    await say(page, 'Held back');
    await page.getByText('goes out as soon as there is a connection').waitFor();
    assert.deepEqual(await violations(page), [], 'thread');
    await page.context().setOffline(false);
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.getByRole('menuitem', { name: 'Talk to people' }).click();
    await page.getByRole('checkbox').first().waitFor();
    assert.deepEqual(await violations(page), [], 'people');
    await page.goto(`/chat/${id}`);
    await page.getByRole('button', { name: 'Emoji' }).click();
    await page.getByRole('button', { name: '👍' }).waitFor();
    assert.deepEqual(await violations(page), [], 'emoji');
    await page.context().close();
  });
}
