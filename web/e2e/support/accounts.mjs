/** People made by the API, for tests that begin where somebody is logged in already. */

/** A request to the server as JSON; throws at what is no success. */
export async function call(url, path, { body, token, method = body ? 'POST' : 'GET' } = {}) {
  const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

/**
 * Registers and logs in. Answers with `id`, `token`, `session` (as the app stores it), and `call(path, options)` to ask
 * the server as this person.
 */
export async function person(url, first_name, last_name = 'Lee') {
  const email = `${first_name}.${last_name}@example.com`.toLowerCase().replaceAll(' ', '');
  const password = 'Secure123';
  await call(url, '/api/v1/auth/register', {
    body: { email, first_name, last_name, password, confirm_password: password },
  });
  const login = await call(url, '/api/v1/auth/login', { body: { email_or_phone: email, password } });
  const token = login.access_token;
  const { id } = await call(url, '/api/v1/auth/me', { token });
  const session = {
    access: token,
    refresh: login.refresh_token,
    expiresAt: Date.now() + login.expires_in * 1000,
  };
  return { id, email, token, session, call: (path, options) => call(url, path, { token, ...options }) };
}

/** A page of this person's browser, logged in. */
export async function openAs(convo, who, path, options) {
  const page = await convo.open(options);
  await page.addInitScript((session) => {
    if (!sessionStorage.getItem('arranged')) localStorage.setItem('convo.session', session);
    sessionStorage.setItem('arranged', 'yes');
  }, JSON.stringify(who.session));
  await page.goto(path);
  return page;
}
