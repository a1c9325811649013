import { expect, test, vi } from 'vitest';
import { ApiError } from '../api';
import { Meet } from './meet';

function chat() {
  let made = 0;
  const createMeeting = vi.fn(async () => {
    made++;
    return { id: `meeting-${made}`, meeting_id: `code-${made}` };
  });
  const send = vi.fn(async (..._: string[]) => ({}));
  const warn = vi.fn();
  const api = { platform: { createMeeting }, chatrooms: { send } };
  const meet = new Meet({ api, notices: { warn } } as never, 'lobby');
  const start = () => meet.start('Lobby', (path) => `Come to ${path}`);
  return { meet, start, createMeeting, send, warn };
}

test('a double press starts one meeting, and invites once', async () => {
  const { meet, start, createMeeting, send } = chat();
  const both = Promise.all([start(), start()]);
  expect(meet.$busy.get()).toBe(true);
  expect(await both).toEqual(['/meeting/code-1', null]);
  expect(meet.$busy.get()).toBe(false);
  expect(createMeeting).toHaveBeenCalledTimes(1);
  expect(send.mock.calls).toEqual([['lobby', 'Come to /meeting/code-1', 'meeting-1']]);
  // The next is another.
  expect(await start()).toBe('/meeting/code-2');
});

test('one whose invitation was not posted is kept for the next press', async () => {
  const { start, createMeeting, send, warn } = chat();
  send.mockRejectedValueOnce(new ApiError({ status: 0, code: 'NETWORK', message: '' }));
  expect(await start()).toBeNull();
  expect(warn).toHaveBeenCalledWith({ key: 'error.network' });
  expect(await start()).toBe('/meeting/code-1');
  expect(createMeeting).toHaveBeenCalledTimes(1);
  expect(send.mock.calls.map(([, , key]) => key)).toEqual(['meeting-1', 'meeting-1']);
});
