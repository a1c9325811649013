import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { call, openAs, person } from './support/accounts.mjs';
import { violations, world } from './support/world.mjs';

let convo;
before(async () => {
  convo = await world();
});
after(() => convo.end());

const row = (page, title) => page.getByRole('listitem').filter({ hasText: title });
async function choose(page, title, action) {
  await page.getByRole('button', { name: `More about ${title}` }).click();
  await page.getByRole('menuitem', { name: action }).click();
}

test('a meeting is scheduled in another zone, its invitation copied, put into a calendar, changed and cancelled', async () => {
  const ann = await person(convo.url, 'Ann');
  const page = await openAs(convo, ann, '/schedule', { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.getByLabel('Title').fill('Retro');
  await page.getByLabel('Description').fill('Bring cake.');
  await page.getByLabel('Date').fill('2099-07-01');
  await page.getByLabel('Start').fill('09:00');
  await page.getByLabel('Length').selectOption('45');
  await page.getByLabel('Time zone').selectOption('America/New_York');
  await page.getByText('That is 1 Jul 2099, 15:00 where you are.').waitFor();
  await page.getByRole('switch', { name: 'Passcode' }).click();
  await page.getByLabel('Your own passcode').fill('sesame');
  await page.getByLabel('People at most').fill('1');
  await page.getByRole('button', { name: 'Schedule' }).click();
  await page.getByText('Give a number from 2 to 10,000.').waitFor();
  await page.getByLabel('People at most').fill('12');
  await page.getByRole('button', { name: 'Schedule' }).click();

  await page.getByRole('heading', { name: 'Now invite the others' }).waitFor();
  await page.getByRole('button', { name: 'Copy the invitation' }).click();
  await page.getByText('Copied').first().waitFor();
  const words = await page.evaluate(() => navigator.clipboard.readText());
  const code = /Code: (\d{3}-\d{3}-\d{3})/.exec(words)[1];
  assert.match(words, /“Retro”/);
  assert.match(words, /1 July 2099, 0?9:00 – 0?9:45 \(America\/New York\)/);
  assert.ok(words.includes(`Join: ${convo.url}/meeting/${code}\n`));
  assert.match(words, /Passcode: sesame/);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Add to calendar' }).click(),
  ]);
  assert.equal(download.suggestedFilename(), 'Retro.ics');
  const file = await readFile(await download.path(), 'utf8');
  assert.match(file, /DTSTART;TZID=America\/New_York:20990701T090000\r\n/);
  assert.match(file, /BEGIN:VTIMEZONE\r\nTZID:America\/New_York\r\n/);

  // At home it stands at the clocks of this place.
  await page.getByRole('link', { name: 'To my meetings' }).click();
  await row(page, 'Retro').getByText('15:00').waitFor();
  await choose(page, 'Retro', 'Change');
  assert.equal(await page.getByLabel('Start').inputValue(), '09:00');
  await page.getByLabel('Title').fill('Retrospective');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('link', { name: 'To my meetings' }).click();
  await choose(page, 'Retrospective', 'Invitation');
  await page.getByRole('dialog').getByText('Passcode: sesame').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  await choose(page, 'Retrospective', 'Cancel the meeting');
  await page.getByRole('button', { name: 'Keep it' }).click();
  await choose(page, 'Retrospective', 'Cancel the meeting');
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the meeting' }).click();
  await page.getByText('Nothing planned').waitFor();
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test('home shows the chats with what is new, as it comes', async () => {
  const [bea, cem] = await Promise.all(['Bea', 'Cem'].map((name) => person(convo.url, name)));
  const { conversation_id } = await cem.call('/api/conversations', {
    body: { is_ai: false, participant_ids: [bea.id] },
  });
  const page = await openAs(convo, bea, '/');
  await page.getByRole('link', { name: /Cem Lee/ }).waitFor();
  const post = (message) => cem.call('/api/messages/', { body: { conversation_id, message } });
  await post('Are you there?');
  await page.getByRole('link', { name: /Cem Lee.*Are you there\?.*1 unread message/ }).waitFor();
  await post('Hello?');
  await page.getByRole('link', { name: /Cem Lee.*Hello\?.*2 unread messages/ }).click();
  await page.getByRole('log').getByText('Hello?').waitFor();
  await page.getByRole('link', { name: 'Home', exact: true }).click();
  await page.getByRole('link', { name: /Cem Lee.*Hello\?/ }).waitFor();
  assert.equal(await page.getByText('unread').count(), 0);
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test('the profile takes the browser’s zone and language at the first log-in, and lends the language to the next device', async () => {
  const dora = await person(convo.url, 'Dora');
  const page = await openAs(convo, dora, '/settings', { locale: 'de-DE', timezoneId: 'Australia/Sydney' });
  await page.getByRole('heading', { level: 1, name: 'Einstellungen' }).waitFor();
  await page.waitForFunction(() => localStorage.getItem('convo.settled'));
  let profile;
  for (let tries = 0; tries < 100 && profile?.timezone !== 'Australia/Sydney'; tries++) {
    profile = await dora.call('/api/v1/users/profile');
  }
  assert.deepEqual([profile.timezone, profile.preferred_language], ['Australia/Sydney', 'de']);
  await page.context().close();

  const { email } = dora;
  const other = await convo.open();
  await other.goto('/login');
  await other.getByLabel('E-mail or phone number').fill(email);
  await other.getByLabel('Password', { exact: true }).fill('Secure123');
  await other.getByRole('button', { name: 'Log in' }).click();
  await other.getByRole('heading', { level: 1, name: /^Guten / }).waitFor();
  await other.goto('/settings');
  await other.getByLabel('Sprache').last().selectOption('en');
  await other.getByLabel('Name, den andere sehen').fill('Dora Lee-Kim');
  await other.getByRole('switch').nth(1).click();
  await other.getByRole('button', { name: 'Speichern' }).click();
  await other.getByRole('heading', { level: 1, name: 'Settings' }).waitFor();
  profile = await dora.call('/api/v1/users/profile');
  assert.equal(profile.display_name, 'Dora Lee-Kim');
  assert.equal(profile.preferred_language, 'en');
  assert.equal(profile.meeting_settings.default_video_enabled, false);
  assert.deepEqual(other.wrongs, []);
  await other.context().close();
});

test('an address is confirmed, the password changed, and the account deleted', async () => {
  const emil = await person(convo.url, 'Emil');
  const elsewhere = await openAs(convo, emil, '/');
  await elsewhere.getByText('Nothing planned').waitFor();
  const page = await convo.open();
  await page.goto('/login?next=/settings');
  await page.getByLabel('E-mail or phone number').fill(emil.email);
  await page.getByLabel('Password', { exact: true }).fill('Secure123');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Confirm the address' }).click();
  await page.getByLabel('Verification code').fill(await convo.code(emil.email));
  await page.getByRole('button', { name: 'Confirm', exact: true }).click();
  await page.getByText('Confirmed').waitFor();

  const change = async (current, next) => {
    await page.getByLabel('Current password').fill(current);
    await page.getByLabel('New password').fill(next);
    await page.getByRole('button', { name: 'Change the password' }).click();
  };
  await change('Wrong1234', 'Better456');
  await page.getByText('This is not your password.').waitFor();
  await change('Secure123', 'Better456');
  await page.getByText('Your password is changed.').first().waitFor();
  // The other device is logged out by it, this one is not.
  await elsewhere.reload();
  await elsewhere.getByRole('main').getByRole('link', { name: 'Log in' }).waitFor();
  await page.reload();
  assert.deepEqual(await violations(page), []);

  await page.getByRole('button', { name: 'Delete the account' }).click();
  await page.getByRole('dialog').getByLabel('Current password').fill('Better456');
  await page.getByRole('button', { name: 'Delete for good' }).click();
  await page.getByRole('main').getByRole('link', { name: 'Log in' }).waitFor();
  const body = { email_or_phone: emil.email, password: 'Better456' };
  await assert.rejects(call(convo.url, '/api/v1/auth/login', { body }), /401/);
  assert.deepEqual(page.wrongs, []);
  await Promise.all([page.context().close(), elsewhere.context().close()]);
});

test('log-out everywhere is log-out on the other device', async () => {
  const fay = await person(convo.url, 'Fay');
  const one = await openAs(convo, fay, '/chat');
  await one.getByText('No chats yet').waitFor();
  const two = await convo.open();
  await two.goto('/login?next=/settings');
  await two.getByLabel('E-mail or phone number').fill(fay.email);
  await two.getByLabel('Password', { exact: true }).fill('Secure123');
  await two.getByRole('button', { name: 'Log in' }).click();
  await two.getByRole('button', { name: 'Log out everywhere' }).click();
  await two.getByRole('main').getByRole('link', { name: 'Log in' }).waitFor();
  // The socket closes, and the app finds out why.
  await one.waitForURL(/\/login/);
  await Promise.all([one.context().close(), two.context().close()]);
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing at home, ${colorScheme}`, async () => {
    const gus = await person(convo.url, `Gus${colorScheme}`);
    await gus.call('/api/v1/meetings', {
      body: { title: 'Planning', scheduled_start_time: '2099-01-20T10:00:00Z' },
    });
    await gus.call('/api/chatroom/', { body: { name: 'Lobby' } });
    const page = await openAs(convo, gus, '/', { colorScheme });
    await page.getByRole('link', { name: /Lobby/ }).waitFor();
    assert.deepEqual(await violations(page), [], 'home');
    await choose(page, 'Planning', 'Cancel the meeting');
    await page.getByRole('dialog').waitFor();
    assert.deepEqual(await violations(page), [], 'cancel');
    await page.goto('/schedule');
    await page.getByRole('switch', { name: 'Passcode' }).click();
    await page.getByRole('switch', { name: 'Recording allowed' }).click();
    assert.deepEqual(await violations(page), [], 'schedule');
    await page.getByLabel('Title').fill('Next');
    await page.getByRole('button', { name: 'Schedule' }).click();
    await page.getByRole('button', { name: 'Add to calendar' }).waitFor();
    assert.deepEqual(await violations(page), [], 'scheduled');
    await page.goto('/settings');
    await page.getByRole('heading', { level: 1 }).waitFor();
    assert.deepEqual(await violations(page), [], 'settings');
    await page.getByRole('button', { name: 'Delete the account' }).click();
    await page.getByRole('dialog').waitFor();
    assert.deepEqual(await violations(page), [], 'deletion');
    await page.context().close();
  });
}
