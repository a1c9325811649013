import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { violations, world } from './support/world.mjs';

let convo;
before(async () => {
  convo = await world();
});
after(() => convo.end());

async function register(page, contact) {
  await page.goto('/');
  await page.getByRole('main').getByRole('link', { name: 'Create account' }).click();
  await page.getByLabel('First name').fill('Ann');
  await page.getByLabel('Last name').fill('Lee');
  await page.getByLabel('E-mail or phone number').fill(contact);
  await page.getByLabel('Password', { exact: true }).fill('Secure123');
  await page.getByRole('button', { name: 'Create account' }).click();
}

test('a newcomer registers, plans, logs out and in again', async () => {
  const page = await convo.open();
  await register(page, 'ann@example.com');
  await page.getByRole('heading', { level: 1, name: /Good (morning|afternoon|evening), Ann/ }).waitFor();
  await page.getByText('Nothing planned').waitFor();

  await page.getByRole('link', { name: /Schedule/ }).click();
  await page.getByLabel('Title').fill('Retro');
  await page.getByLabel('Date').fill('2099-01-20');
  await page.getByRole('switch', { name: 'Waiting room' }).click();
  await page.getByRole('button', { name: 'Schedule' }).click();
  await page.getByRole('link', { name: 'To my meetings' }).click();
  await page.getByRole('listitem').filter({ hasText: 'Retro' }).waitFor();

  await page.reload();
  await page.getByRole('listitem').filter({ hasText: 'Retro' }).waitFor();

  await page.getByRole('button', { name: 'Account: Ann Lee' }).click();
  await page.getByRole('menuitem', { name: 'Log out' }).click();
  await page.getByRole('main').getByRole('link', { name: 'Log in' }).waitFor();

  await page.goto('/settings');
  await page.getByLabel('E-mail or phone number').fill('ann@example.com');
  await page.getByLabel('Password', { exact: true }).fill('wrong');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('alert').getByText('is not right').waitFor();
  await page.getByLabel('Password', { exact: true }).fill('Secure123');
  await page.getByRole('button', { name: 'Log in' }).click();
  // Where one wanted to go.
  await page.getByRole('heading', { level: 1, name: 'Settings' }).waitFor();
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test('a meeting is started with one press', async () => {
  const page = await convo.open();
  await register(page, 'bea@example.com');
  await page.getByRole('button', { name: /Start a meeting/ }).click();
  await page.waitForURL(/\/meeting\/\d{3}-\d{3}-\d{3}$/);
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test('where the server asks for it, the code from the mail comes first', async () => {
  const strict = await world({ REQUIRE_VERIFICATION: 'true' });
  const page = await strict.open();
  await register(page, 'ann@example.com');
  await page.getByRole('heading', { name: 'One more step' }).waitFor();
  await page.getByLabel('Verification code').fill('nonsense');
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByText('This code is wrong').waitFor();
  await page.getByLabel('Verification code').fill(await strict.code('ann@example.com'));
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByRole('heading', { level: 1, name: /Ann$/ }).waitFor();
  assert.deepEqual(page.wrongs, []);
  await strict.end();
});

test('log-out in one tab is log-out in the other', async () => {
  const page = await convo.open();
  await register(page, 'cem@example.com');
  await page.getByText('Nothing planned').waitFor();
  const other = await page.context().newPage();
  await other.goto('/');
  await other.getByText('Nothing planned').waitFor();
  await page.getByRole('button', { name: 'Account: Ann Lee' }).click();
  await page.getByRole('menuitem', { name: 'Log out' }).click();
  await other.getByRole('main').getByRole('link', { name: 'Log in' }).waitFor();
  await page.context().close();
});

test('a renewal of the log-in whose answer is lost logs nobody out', async () => {
  const page = await convo.open();
  await register(page, 'dan@example.com');
  await page.getByText('Nothing planned').waitFor();
  // The hour is over.
  await page.evaluate(() => {
    const session = JSON.parse(localStorage.getItem('convo.session'));
    localStorage.setItem('convo.session', JSON.stringify({ ...session, expiresAt: 0 }));
  });
  let lost = 0;
  await page.route('**/auth/refresh', async (route) => {
    if (lost++ > 0) return route.continue();
    await route.fetch();
    return route.abort();
  });
  await page.reload();
  await page.getByText('Nothing planned').waitFor();
  assert.ok(lost > 1);
  await page.context().close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing, ${colorScheme}`, async () => {
    const page = await convo.open({ colorScheme });
    for (const path of ['/', '/login', '/register', '/nowhere']) {
      await page.goto(path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      assert.deepEqual(await violations(page), [], path);
    }
    await register(page, `${colorScheme}@example.com`);
    await page.getByText('Nothing planned').waitFor();
    for (const path of ['/', '/schedule', '/settings']) {
      await page.goto(path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      assert.deepEqual(await violations(page), [], path);
    }
    await page.goto('/');
    await page.getByRole('button', { name: /^Account/ }).click();
    await page.getByRole('menu').waitFor();
    assert.deepEqual(await violations(page), [], 'menu');
    await page.context().close();
  });
}
