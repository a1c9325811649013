import { expect, test, vi } from 'vitest';
import { ApiError } from './errors';
import { Http } from './http';

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });

/** A server that gives these answers one after the other; an error is a network that fails. */
function http(...answers: (Response | Error)[]) {
  const fetch = vi.fn(async (_url: string, _init?: RequestInit) => {
    const answer = answers.shift();
    if (!answer) throw new Error('asked too often');
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const tokens = {
    account: 'ann',
    token: vi.fn(async (): Promise<string | null> => 'old'),
    renew: vi.fn(async (): Promise<string | null> => 'new'),
  };
  const sleep = vi.fn(async () => {});
  return { http: new Http(tokens, fetch as unknown as typeof globalThis.fetch, sleep), fetch, tokens, sleep };
}

const header = (init: RequestInit | undefined, name: string) => new Headers(init?.headers).get(name);

test.each([
  [{ detail: 'No.', error_code: 'MEETING_FULL', field: 'title' }, 'MEETING_FULL', 'title'],
  [{ detail: 'No.' }, 'INSUFFICIENT_PERMISSIONS', null],
  [{ error: { message: 'No.', status: 403 } }, 'INSUFFICIENT_PERMISSIONS', null],
])('every API’s error has one shape: %j', async (body, code, field) => {
  const { http: client } = http(json(body, 403));
  await expect(client.request('/x')).rejects.toMatchObject({ status: 403, message: 'No.', code, field });
});

test('why a log-in fails is told by its words', async () => {
  const { http: client } = http(
    json({ detail: 'Account not verified', error_code: 'AUTHENTICATION_REQUIRED' }, 401),
  );
  await expect(client.request('/x', { as: 'nobody' })).rejects.toMatchObject({
    code: 'ACCOUNT_NOT_VERIFIED',
  });
});

test('a token that ran out is renewed, and the request sent again', async () => {
  const { http: client, fetch, tokens } = http(json({}, 401), json({ ok: true }));
  expect(await client.request('/x', { method: 'POST' })).toEqual({ ok: true });
  expect(tokens.renew).toHaveBeenCalledWith('old');
  expect(header(fetch.mock.calls[1]?.[1], 'Authorization')).toBe('Bearer new');
});

test('what one person asks for is not asked again as who has logged in meanwhile', async () => {
  const { http: client, fetch, tokens, sleep } = http(json({}, 503), json({ id: 1 }));
  sleep.mockImplementation(async () => void Object.assign(tokens, { account: 'bob' }));
  await expect(client.request('/x', { method: 'POST', idempotencyKey: 'k' })).rejects.toMatchObject({
    code: 'AUTHENTICATION_REQUIRED',
  });
  expect(fetch).toHaveBeenCalledTimes(1);
});

test('nobody asks for what is a person’s', async () => {
  const { http: client, fetch, tokens } = http();
  tokens.token.mockResolvedValue(null);
  await expect(client.request('/x')).rejects.toMatchObject({ code: 'AUTHENTICATION_REQUIRED' });
  expect(fetch).not.toHaveBeenCalled();
});

test('reading is tried again when the network or the server fails', async () => {
  const { http: client, fetch } = http(new TypeError('offline'), json({}, 503), json(['a']));
  expect(await client.request('/x', { query: { page: 1, none: undefined } })).toEqual(['a']);
  expect(fetch.mock.calls.map(([url]) => url)).toEqual(['/x?page=1', '/x?page=1', '/x?page=1']);
});

test('writing is not, unless it has a key', async () => {
  const once = http(new TypeError('offline'));
  await expect(once.http.request('/x', { method: 'POST' })).rejects.toMatchObject({
    code: 'NETWORK',
    status: 0,
  });
  const again = http(new TypeError('offline'), json({ id: 1 }));
  expect(await again.http.request('/x', { method: 'POST', idempotencyKey: 'k' })).toEqual({ id: 1 });
  expect(again.fetch.mock.calls.map(([, init]) => header(init, 'Idempotency-Key'))).toEqual(['k', 'k']);
});

test('a server that asks to wait is waited for a little, not long', async () => {
  const short = http(json({ detail: 'slow down' }, 429, { 'Retry-After': '2' }), json([]));
  await short.http.request('/x');
  expect(short.sleep).toHaveBeenCalledWith(2000, undefined);
  const long = http(json({ detail: 'slow down' }, 429, { 'Retry-After': '60' }));
  await expect(long.http.request('/x')).rejects.toMatchObject({ retryAfter: 60 });
});

test('what is no JSON is an error of its own', async () => {
  const { http: client } = http(new Response('<html>'));
  await expect(client.request('/x')).rejects.toBeInstanceOf(ApiError);
});
