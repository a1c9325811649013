/** What tests of meetings have in common: accounts, meetings, going in, and seeing whether pictures move. */

/** An account with a meeting of its own, made by the API. `tokens` log a page in. */
export async function host(convo, meeting = {}, [first_name, last_name] = ['Ann', 'Lee']) {
  const email = `${crypto.randomUUID()}@example.com`;
  const password = 'Secure123';
  const person = { email, first_name, last_name, password, confirm_password: password };
  await call(convo, '/api/v1/auth/register', person);
  const tokens = await call(convo, '/api/v1/auth/login', { email_or_phone: email, password });
  const made =
    meeting && (await call(convo, '/api/v1/meetings', { title: 'Retro', ...meeting }, tokens.access_token));
  return {
    code: made?.meeting_id,
    /** The meeting as a room: what the chatrooms' API knows it by. */
    room: made?.id.replace('meeting-', ''),
    passcode: made?.passcode,
    token: tokens.access_token,
    tokens: {
      access: tokens.access_token,
      refresh: tokens.refresh_token,
      expiresAt: Date.now() + tokens.expires_in * 1000,
    },
  };
}

export async function call(convo, path, body, token) {
  const response = await fetch(convo.url + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** A page of somebody who is logged in. */
export async function openAs(convo, person, options) {
  const page = await convo.open(options);
  await page.addInitScript(
    (tokens) => localStorage.getItem('convo.session') ?? localStorage.setItem('convo.session', tokens),
    JSON.stringify(person.tokens),
  );
  return page;
}

/** Goes to the meeting's door; a guest says their name. */
export async function atTheDoor(page, code, name) {
  await page.goto(`/meeting/${code}`);
  if (name) await page.getByLabel('Your name').fill(name);
}

export async function goIn(page, code, name) {
  await atTheDoor(page, code, name);
  await page.getByRole('button', { name: 'Join now' }).click();
  await page.getByRole('toolbar', { name: 'Controls' }).waitFor();
}

/** Ann, whose meeting it is, and Bob, a guest with that page: in, and Ann sees him move. */
export async function meet(convo, bob) {
  const person = await host(convo);
  const ann = await openAs(convo, person);
  await goIn(ann, person.code);
  await goIn(bob, person.code, 'Bob');
  await seesMoving(tile(ann, 'Bob'));
  return ann;
}

/** A person's tile. */
export const tile = (page, name) => page.locator(`li[data-person="${name}"]:not([data-screen])`);

/**
 * Waits until the tile's video moves: two of its frames, drawn small, differ in their pixels and are no single colour. Whose
 * connection is made anew gets another element: it is looked for each time.
 */
export async function seesMoving(locator, timeout = 60_000) {
  const video = locator.locator('video');
  for (const end = Date.now() + timeout; Date.now() < end; await new Promise((go) => setTimeout(go, 400))) {
    if (await video.evaluate(moves, null, { timeout })) return;
  }
  throw new Error(`no moving picture: ${locator}`);
}

/** In the page: whether the video has moved since it was last asked. */
function moves(video) {
  if (!video.videoWidth) return false;
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [64, 36];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, 0, 0, 64, 36);
  const pixels = context.getImageData(0, 0, 64, 36).data;
  const before = video.pixelsBefore;
  video.pixelsBefore = pixels;
  if (!before) return false;
  const moved = pixels.filter((value, index) => Math.abs(value - before[index]) > 24).length;
  const colours = new Set(pixels.map((value) => value >> 4)).size;
  return moved > 20 && colours > 2;
}

/** Opens the panel if it is closed. */
export async function openPanel(page, name) {
  const button = page.getByRole('toolbar').getByRole('button', { name: new RegExp(`^${name}`) });
  if ((await button.getAttribute('aria-expanded')) !== 'true') await button.click();
  return page.getByRole('complementary', { name });
}
