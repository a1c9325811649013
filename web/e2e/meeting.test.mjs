import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { io } from 'socket.io-client';
import { livekit } from './support/livekit.mjs';
import {
  atTheDoor,
  call,
  goIn,
  host,
  meet,
  openAs,
  openPanel,
  seesMoving,
  tile,
} from './support/meeting.mjs';
import { violations, world } from './support/world.mjs';

let convo;
before(async () => {
  convo = await world();
});
after(() => convo.end());
// Who is left in a meeting by a test that failed takes the next one's processor.
afterEach(async () => {
  for (const context of convo.browser.contexts()) await context.close();
});

/** What no page may do; then its browser is closed. */
async function done(...pages) {
  for (const page of pages) {
    assert.deepEqual(page.wrongs, []);
    await page.context().close();
  }
}

async function say(page, words, to) {
  const panel = await openPanel(page, 'Chat');
  if (to) await panel.getByLabel('To').selectOption({ label: to });
  await panel.getByLabel('Message').fill(words);
  await panel.getByLabel('Message').press('Enter');
}

const reads = async (page, words) =>
  (await openPanel(page, 'Chat')).getByText(words, { exact: true }).waitFor();

async function endForEveryone(page) {
  await page.getByRole('button', { name: 'Leave the meeting' }).click();
  await page.getByRole('menuitem', { name: 'End for everyone' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End for everyone' }).click();
}

test('from registration to a meeting of three who see each other move and write', async () => {
  const ann = await convo.open();
  await ann.goto('/register');
  await ann.getByLabel('First name').fill('Ann');
  await ann.getByLabel('Last name').fill('Lee');
  await ann.getByLabel('E-mail or phone number').fill('newcomer@example.com');
  await ann.getByLabel('Password', { exact: true }).fill('Secure123');
  await ann.getByRole('button', { name: 'Create account' }).click();
  await ann.getByRole('button', { name: /Start a meeting/ }).click();
  await ann.getByText('You join as Ann Lee.').waitFor();
  await ann.getByRole('button', { name: 'Join now' }).click();
  await ann.getByText('Nobody else is here yet.').waitFor();

  const code = new URL(ann.url()).pathname.split('/').at(-1);
  const [bob, cem] = [await convo.open(), await convo.open()];
  await goIn(bob, code, 'Bob');
  await goIn(cem, code, 'Cem');
  for (const [page, others] of [
    [ann, ['Bob', 'Cem']],
    [bob, ['Ann Lee', 'Cem']],
    [cem, ['Ann Lee', 'Bob']],
  ]) {
    for (const name of others) await seesMoving(tile(page, name));
  }

  await say(ann, 'Hello both');
  await reads(bob, 'Hello both');
  await say(bob, 'Hello Ann');
  await reads(ann, 'Hello Ann');
  await say(cem, 'Between us', 'Bob');
  await reads(bob, 'Between us');
  assert.equal(await ann.getByText('Between us').count(), 0);

  // Who comes later reads what was said, but nothing private.
  const dan = await convo.open();
  await goIn(dan, code, 'Dan');
  await reads(dan, 'Hello both');
  assert.equal(await dan.getByText('Between us').count(), 0);
  await seesMoving(tile(dan, 'Ann Lee'));

  await bob.getByRole('button', { name: 'Leave the meeting' }).click();
  await bob.getByRole('heading', { name: 'You left the meeting' }).waitFor();
  assert.match(await bob.getByRole('definition').nth(1).textContent(), /^[23]$/);
  await tile(ann, 'Bob').waitFor({ state: 'detached' });

  await endForEveryone(ann);
  for (const page of [ann, cem, dan])
    await page.getByRole('heading', { name: 'The meeting has ended' }).waitFor();
  await done(ann, bob, cem, dan);
});

test('whoever comes with a Socket.IO client or with LiveKit’s own is in the same meeting', async () => {
  const person = await host(convo);
  const friend = await host(convo, null, ['Cem', 'Oz']);
  const ann = await openAs(convo, person);
  await goIn(ann, person.code);
  const pia = await call(convo, `/api/v1/meetings/${person.code}/join`, { user_name: 'Pia' });
  const client = await livekit(pia.livekit_url, [pia.token]);

  await call(convo, `/api/v1/meetings/${person.code}/join`, {}, friend.token);
  const socket = io(convo.url, { auth: { token: `Bearer ${friend.token}` }, transports: ['websocket'] });
  const chatroomId = person.room;
  const heard = [];
  const hears = (sender, message) =>
    new Promise((resolve) => {
      const look = () =>
        heard.some((one) => one.sender.name === sender && one.message === message) && resolve();
      socket.on('newMessage', look);
      look();
    });
  socket.on('newMessage', (message) => heard.push(message));
  assert.equal((await socket.emitWithAck('joinRoom', { chatroomId })).ok, true);

  await seesMoving(tile(ann, 'Pia'));
  await client.hears({ sees: 'Ann Lee' });

  await say(ann, 'Hello from the page');
  await hears('Ann Lee', 'Hello from the page');
  await client.hears({ from: 'Ann Lee', text: 'Hello from the page' });
  await socket.emitWithAck('chatroomMessage', { chatroomId, message: 'Hello from the socket' });
  await reads(ann, 'Hello from the socket');
  await client.hears({ text: 'Hello from the socket' });
  client.say('Hello from Python');
  await reads(ann, 'Hello from Python');
  await hears('Pia', 'Hello from Python');
  // Once each, and in one order.
  const all = ['Hello from the page', 'Hello from the socket', 'Hello from Python'];
  assert.deepEqual(
    heard.map((one) => one.message),
    all,
  );
  assert.deepEqual(
    await ann
      .getByRole('log')
      .getByText(/^Hello from/)
      .allTextContents(),
    all,
  );
  socket.disconnect();
  await client.end();
  await tile(ann, 'Pia').waitFor({ state: 'detached' });
  await done(ann);
});

test('who waits comes in when the host opens, and stays out when not', async () => {
  const person = await host(convo, { settings: { waiting_room_enabled: true } });
  const ann = await openAs(convo, person);
  await goIn(ann, person.code);

  const bob = await convo.open();
  await atTheDoor(bob, person.code, 'Bob');
  await bob.getByRole('button', { name: /Join now|Ask to join/ }).click();
  await bob.getByRole('heading', { name: 'You are in the waiting room' }).waitFor();
  await ann.getByText('Bob wants to come in.').waitFor();
  await ann.getByRole('button', { name: 'Admit' }).click();
  await seesMoving(tile(bob, 'Ann Lee'));
  await seesMoving(tile(ann, 'Bob'));
  await say(bob, 'I am in');
  await reads(ann, 'I am in');

  const eve = await convo.open();
  await atTheDoor(eve, person.code, 'Eve');
  await eve.getByRole('button', { name: /Join now|Ask to join/ }).click();
  const panel = await openPanel(ann, 'People');
  await panel.getByRole('button', { name: 'Deny Eve' }).click();
  await eve.getByRole('heading', { name: 'You were not let in' }).waitFor();
  await done(ann, bob, eve);
});

test('camera and microphone are off behind a meeting that is not there', async () => {
  const page = await convo.open();
  await page.addInitScript(() => {
    globalThis.opened = [];
    const devices = navigator.mediaDevices;
    const open = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (constraints) => {
      const stream = await open(constraints);
      globalThis.opened.push(...stream.getTracks());
      return stream;
    };
  });
  // That it is not there is told when both are on.
  const on = () => globalThis.opened.length === 2;
  await page.route('**/api/**', async (route) => {
    await page.waitForFunction(on);
    await route.continue();
  });
  await atTheDoor(page, '000-000-000');
  await page.getByRole('heading', { name: 'No way in' }).waitFor();
  await page.waitForFunction(() => globalThis.opened.every(({ readyState }) => readyState === 'ended'));
  await done(page);
});

test('a passcode is asked for, and a wrong one is not enough', async () => {
  const person = await host(convo, { passcode: '123456', settings: { require_password: true } });
  await call(convo, `/api/v1/meetings/${person.code}/join`, {}, person.token);
  const bob = await convo.open();
  await atTheDoor(bob, person.code, 'Bob');
  await bob.getByRole('button', { name: 'Join now' }).click();
  await bob.getByText('This meeting has a passcode.').waitFor();
  await bob.getByLabel('Passcode').fill('999999');
  await bob.getByRole('button', { name: 'Join now' }).click();
  await bob.getByText('The passcode is not right.').waitFor();
  await bob.getByLabel('Passcode').fill('123456');
  await bob.getByRole('button', { name: 'Join now' }).click();
  await bob.getByRole('toolbar').waitFor();
  await done(bob);
});

test('hosts mute, ask to unmute, name co-hosts, lock and remove', async () => {
  const person = await host(convo);
  const friend = await host(convo, null, ['Bob', 'Ray']);
  const ann = await openAs(convo, person);
  const bob = await openAs(convo, friend);
  await goIn(ann, person.code);
  await goIn(bob, person.code);
  const people = await openPanel(ann, 'People');
  const row = people.getByRole('listitem').filter({ hasText: 'Bob Ray' });
  const act = async (name) => {
    await row.getByRole('button', { name: 'More about Bob Ray' }).click();
    await ann.getByRole('menuitem', { name }).click();
  };
  await row.getByText('Microphone on').waitFor({ state: 'attached' });

  await act('Mute');
  await bob.getByText('The host muted your microphone.').waitFor();
  await bob.getByRole('button', { name: /^Unmute/ }).waitFor();
  await row.getByText('Muted').waitFor({ state: 'attached' });

  await act('Ask to unmute');
  await bob
    .getByRole('dialog', { name: 'The host asks you to unmute' })
    .getByRole('button', { name: 'Unmute' })
    .click();
  await row.getByText('Microphone on').waitFor({ state: 'attached' });

  await act('Make co-host');
  await row.getByText('Co-host').waitFor();
  await openPanel(bob, 'People');
  await bob.getByRole('switch', { name: 'Lock the meeting' }).click();
  await ann.getByText('Locked', { exact: true }).waitFor();
  const eve = await convo.open();
  await atTheDoor(eve, person.code, 'Eve');
  await eve.getByRole('button', { name: 'Join now' }).click();
  await eve.getByText('The host has locked this meeting.').waitFor();

  await act('No longer co-host');
  await row.getByText('Co-host').waitFor({ state: 'detached' });
  await bob.getByRole('switch', { name: 'Lock the meeting' }).waitFor({ state: 'detached' });

  await act('Remove');
  await ann.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await bob.getByRole('heading', { name: 'You were removed from the meeting' }).waitFor();
  await tile(ann, 'Bob Ray').waitFor({ state: 'detached' });
  await people.getByRole('button', { name: 'Let back in' }).click();
  await ann.getByText('Bob Ray may come back.').waitFor();
  await done(ann, bob, eve);
});

test('hands go up in order, reactions rise, and a shared screen takes the stage', async () => {
  const person = await host(convo);
  const ann = await openAs(convo, person);
  const bob = await convo.open();
  await goIn(ann, person.code);
  await goIn(bob, person.code, 'Bob');
  // A guest learns inside what it is called.
  await bob.getByText('Retro', { exact: true }).waitFor();
  await bob.getByRole('button', { name: 'Raise hand' }).click();
  await tile(ann, 'Bob').getByText('Hand raised, number 1').waitFor({ state: 'attached' });
  await ann.getByRole('button', { name: 'Raise hand' }).click();
  await tile(bob, 'Ann Lee').getByText('Hand raised, number 2').waitFor({ state: 'attached' });
  await bob.getByRole('button', { name: 'Lower hand' }).click();
  await tile(bob, 'Ann Lee').getByText('Hand raised, number 1').waitFor({ state: 'attached' });

  await bob.getByRole('button', { name: 'Raise hand' }).click();
  const people = await openPanel(ann, 'People');
  await people.getByRole('button', { name: 'Lower the hand of Bob' }).click();
  await bob.getByRole('button', { name: 'Raise hand' }).waitFor();

  await bob.getByRole('button', { name: 'React' }).click();
  await bob.getByRole('menuitem', { name: 'React with 🎉' }).click();
  await ann.getByText('🎉').waitFor();
  await bob.keyboard.press('Escape');

  await bob.getByRole('button', { name: 'Share your screen' }).click();
  const screen = ann.locator('li[data-screen][data-kind="main"]');
  await screen.getByText('Screen of Bob').waitFor();
  await seesMoving(screen);
  await bob.getByRole('toolbar').getByRole('button', { name: 'Stop sharing your screen' }).click();
  await screen.waitFor({ state: 'detached' });
  await done(ann, bob);
});

test('a lost network is told, survived, and nothing said meanwhile is lost', async () => {
  const bob = await convo.open();
  const ann = await meet(convo, bob);
  await bob.context().setOffline(true);
  await bob.getByText('Connection lost.').waitFor({ timeout: 60_000 });
  await say(ann, 'Are you there?');
  await bob.context().setOffline(false);
  await bob.getByText('Connection lost.').waitFor({ state: 'detached', timeout: 60_000 });
  await reads(bob, 'Are you there?');
  await say(bob, 'Back again');
  await reads(ann, 'Back again');
  await seesMoving(tile(bob, 'Ann Lee'));
  await seesMoving(tile(ann, 'Bob'));
  // Without a network the browser and livekit-client say so for each try.
  bob.wrongs = bob.wrongs.filter(
    (wrong) => !/ERR_INTERNET_DISCONNECTED|WebSocket|WS closed|Failed to fetch/.test(wrong),
  );
  await done(ann, bob);
});

test('who comes back to a meeting that has ended meanwhile is told so', async () => {
  const bob = await convo.open();
  const ann = await meet(convo, bob);
  await bob.context().setOffline(true);
  await bob.getByText('Connection lost.').waitFor({ timeout: 60_000 });
  await endForEveryone(ann);
  await bob.context().setOffline(false);
  await bob.getByRole('heading', { name: 'The meeting has ended' }).waitFor();
  // Without a network, and when they are refused, the browser and livekit-client say so for each try.
  bob.wrongs = bob.wrongs.filter((wrong) => !wrong.startsWith('console: '));
  await done(ann, bob);
});

test('a server that restarts under a running meeting loses nobody', async () => {
  // Two pages of one browser that let go of its fake camera and take it again at once can end with no pictures of it.
  const bob = await convo.openElsewhere();
  const ann = await meet(convo, bob);
  await convo.restart();
  for (const page of [ann, bob]) {
    await page.getByText('Connection lost.').waitFor({ state: 'detached', timeout: 60_000 });
  }
  await say(ann, 'Still here');
  await reads(bob, 'Still here');
  await seesMoving(tile(ann, 'Bob'));
  await seesMoving(tile(bob, 'Ann Lee'));
  bob.wrongs = ann.wrongs = [];
  await done(ann, bob);
});

test('the keyboard alone is enough', async () => {
  const person = await host(convo);
  const ann = await openAs(convo, person);
  await goIn(ann, person.code);
  const bob = await convo.open();
  await bob.goto(`/meeting/${person.code}`);
  const tabTo = async (name, key = 'Tab') => {
    for (let presses = 0; presses < 40; presses++) {
      const focused = await bob.evaluate(() => {
        const { ariaLabel, labels, textContent } = document.activeElement;
        return ariaLabel ?? labels?.[0]?.textContent ?? textContent;
      });
      if (name.test(focused)) return;
      await bob.keyboard.press(key);
    }
    assert.fail(`Tab does not lead to ${name}`);
  };
  await bob.getByLabel('Your name').waitFor();
  await tabTo(/^Your name$/);
  await bob.keyboard.type('Bob');
  await bob.keyboard.press('Enter');
  await bob.getByRole('toolbar').waitFor();

  await bob.keyboard.press('m');
  await bob.getByRole('button', { name: /^Unmute/ }).waitFor();
  await bob.keyboard.press('v');
  await bob.getByRole('button', { name: /^Start video/ }).waitFor();
  await bob.keyboard.press('h');
  await tile(ann, 'Bob').getByText('Hand raised').waitFor({ state: 'attached' });
  await bob.keyboard.press('c');
  await bob.keyboard.type('m is a letter here');
  await bob.keyboard.press('Enter');
  await reads(ann, 'm is a letter here');
  await bob.keyboard.press('Escape');
  await bob.getByRole('complementary').waitFor({ state: 'detached' });
  await bob.keyboard.press('?');
  await bob.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
  await bob.keyboard.press('Escape');
  await tabTo(/^Pin Ann Lee$/);
  await bob.keyboard.press('Enter');
  await bob.getByRole('button', { name: 'Unpin Ann Lee' }).waitFor();
  await tabTo(/^More$/);
  await bob.keyboard.press('Enter');
  await bob.getByRole('menuitemradio', { name: 'Speaker' }).waitFor();
  await bob.keyboard.press('Escape');
  await tabTo(/^Leave the meeting$/);
  await bob.keyboard.press('Enter');
  await bob.getByRole('heading', { name: 'You left the meeting' }).waitFor();
  await done(ann, bob);
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing, ${colorScheme}`, async () => {
    const person = await host(convo, { settings: { waiting_room_enabled: true } });
    const ann = await openAs(convo, person, { colorScheme });
    const bob = await convo.open({ colorScheme, viewport: { width: 390, height: 844 } });
    const clean = async (page, where) => assert.deepEqual(await violations(page), [], where);
    await atTheDoor(bob, person.code, 'Bob');
    await bob.getByText('We hear you.').waitFor();
    await clean(bob, 'lobby');
    await goIn(ann, person.code);
    await bob.getByRole('button', { name: /Join now|Ask to join/ }).click();
    await bob.getByRole('heading', { name: 'You are in the waiting room' }).waitFor();
    await clean(bob, 'waiting room');
    await ann.getByText('Bob wants to come in.').waitFor();
    await clean(ann, 'door');
    await ann.getByRole('button', { name: 'Admit' }).click();
    await tile(ann, 'Bob').waitFor();
    await say(bob, 'See https://example.com');
    await reads(ann, 'https://example.com');
    for (const page of [ann, bob]) {
      await clean(page, 'chat');
      await page.getByRole('complementary').getByRole('button', { name: 'Close' }).click();
      await clean(page, 'stage');
    }
    await openPanel(ann, 'People');
    await clean(ann, 'people');
    await ann.getByRole('toolbar').getByRole('button', { name: 'More' }).click();
    await ann.getByRole('menu').waitFor();
    await clean(ann, 'menu');
    await ann.getByRole('menuitem', { name: 'Keyboard shortcuts' }).click();
    await ann.getByRole('dialog').waitFor();
    await clean(ann, 'shortcuts');
    await bob.getByRole('button', { name: 'Leave the meeting' }).click();
    await bob.getByRole('heading', { name: 'You left the meeting' }).waitFor();
    await clean(bob, 'summary');
    await done(ann, bob);
  });
}

test('a private message goes to nobody else when its recipient has left', async () => {
  const bob = await convo.open();
  const ann = await meet(convo, bob);
  const panel = await openPanel(ann, 'Chat');
  await panel.getByLabel('To').selectOption({ label: 'Bob' });
  await panel.getByLabel('Message').fill('for Bob alone');
  await bob.getByRole('button', { name: 'Leave the meeting' }).click();
  await tile(ann, 'Bob').waitFor({ state: 'detached' });
  await panel.getByText('Bob is no longer here. Choose who shall read this.').waitFor();
  await panel.getByLabel('Message').press('Enter');
  assert.equal(await panel.getByLabel('Message').inputValue(), 'for Bob alone');
  await done(ann, bob);
});
