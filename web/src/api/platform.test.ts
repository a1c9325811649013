import { expect, test, vi } from 'vitest';
import { Http } from './http';
import { PlatformApi } from './platform';

/** What the server answers who asks for a WebSocket without being one. */
function door(status: number, error_code: string) {
  const body = JSON.stringify({ detail: '', error_code, timestamp: '2026-01-01T00:00:00Z' });
  const fetch = vi.fn(async (_url: string) => new Response(body, { status }));
  const nobody = async () => null;
  const http = new Http(
    { account: null, token: nobody, renew: nobody },
    fetch as unknown as typeof globalThis.fetch,
  );
  return { platform: new PlatformApi(http), fetch };
}

test('who may come in is told that this is a WebSocket, which is no refusal', async () => {
  const { platform, fetch } = door(400, 'BAD_REQUEST');
  await platform.mayAttend('123-456-789', 'a+b');
  expect(fetch.mock.calls[0]?.[0]).toBe('/ws/meetings/123-456-789?token=a%2Bb');
});

test.each([
  [400, 'MEETING_ENDED'],
  [401, 'AUTHENTICATION_REQUIRED'],
  [403, 'INSUFFICIENT_PERMISSIONS'],
  [404, 'MEETING_NOT_FOUND'],
])('who may not come in is told why: %i %s', async (status, code) => {
  const { platform } = door(status, code);
  await expect(platform.mayAttend('123-456-789', 't')).rejects.toMatchObject({ status, code });
});

test('the renewal of a token is sent again under its key where the answer is lost', async () => {
  const fetch = vi.fn(async (_url: string, _init?: RequestInit) => {
    if (fetch.mock.calls.length === 1) throw new TypeError('offline');
    return new Response(JSON.stringify({ access_token: 'a', refresh_token: 'r', expires_in: 3600 }));
  });
  const nobody = { account: null, token: async () => null, renew: async () => null };
  const http = new Http(nobody, fetch as unknown as typeof globalThis.fetch, async () => {});
  expect(await new PlatformApi(http).refresh('spent', 'k')).toMatchObject({ access: 'a', refresh: 'r' });
  const sent = fetch.mock.calls.map(([, init]) => new Headers(init?.headers));
  expect(sent.map((headers) => headers.get('Idempotency-Key'))).toEqual(['k', 'k']);
  expect(sent.map((headers) => headers.get('Authorization'))).toEqual(['Bearer spent', 'Bearer spent']);
});
