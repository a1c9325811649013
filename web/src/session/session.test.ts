import { atom } from 'nanostores';
import { expect, test, vi } from 'vitest';
import type { Profile } from '../api/platform';
import { TokenKeeper, type Tokens } from '../api/tokens';
import { ChatKeeper } from '../chat/keeper';
import { Session } from './session';

const tokens = (account: string, name = '1'): Tokens => ({
  access: `e30.${btoa(JSON.stringify({ sub: account }))}.${name}`,
  refresh: `r-${account}-${name}`,
  expiresAt: Number.POSITIVE_INFINITY,
});

/** A device on which this person is logged in; the test says when the server answers, and what. */
function device(account: string) {
  const $tokens = Object.assign(atom<Tokens | null>(tokens(account)), { reload() {} });
  const answers: ((profile: Profile | Error) => void)[] = [];
  const platform = {
    profile: () =>
      new Promise((resolve, reject) => {
        answers.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
      }),
    updateProfile: async () => {},
    logOut: vi.fn(async () => {}),
  };
  const api = {
    platform,
    tokens: new TokenKeeper($tokens, async () => tokens(account, '2')),
    conversations: { list: async () => [] },
    chatrooms: { list: async () => [] },
  };
  const session = new Session(api as never);
  const answer = async (who: string | Error) => {
    answers.shift()?.(typeof who === 'string' ? ({ id: who } as Profile) : who);
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { api, session, answer, platform, asked: () => answers.length, become: $tokens.set.bind($tokens) };
}

test('tokens of another account are another person, though nobody was seen to log out', async () => {
  const { session, answer, become } = device('ann');
  await answer('ann');
  expect(session.profile?.id).toBe('ann');
  become(tokens('bob'));
  expect(session.state.get()).toEqual({ status: 'loading' });
  await answer('bob');
  expect(session.profile?.id).toBe('bob');
});

test('a renewed token is the same person’s', async () => {
  const { session, answer, become, asked } = device('ann');
  become({ ...tokens('ann'), renewal: 'k' });
  expect(asked()).toBe(1);
  await answer('ann');
  become(tokens('ann', '2'));
  expect([session.profile?.id, asked()]).toEqual(['ann', 0]);
});

test('new tokens are a new try where the profile could not be read', async () => {
  const { session, answer, become } = device('ann');
  await answer(new Error('no network'));
  expect(session.state.get().status).toBe('failed');
  become(tokens('ann', '2'));
  await answer('ann');
  expect(session.profile?.id).toBe('ann');
});

test.each([
  ['read', 'ann'],
  ['not read', new Error('no network')],
])('a profile that is %s when somebody else has logged in says nothing', async (_, late) => {
  const { session, answer, become } = device('ann');
  become(tokens('bob'));
  await answer(late);
  expect(session.state.get()).toEqual({ status: 'loading' });
  await answer('bob');
  expect(session.profile?.id).toBe('bob');
});

test('nor does one that was read again', async () => {
  const { session, answer, become } = device('ann');
  await answer('ann');
  const refreshed = session.refresh();
  become(tokens('bob'));
  await answer('ann');
  await refreshed;
  expect(session.profile).toBeNull();
});

test('a log-out is that of who asked for it', async () => {
  const { api, session, answer, become, platform } = device('ann');
  await answer('ann');
  platform.logOut.mockImplementation(async () => become(tokens('bob')));
  await session.logOut();
  expect(api.tokens.account).toBe('bob');
});

test('the chats end with the session that they are of', async () => {
  const { api, session, answer, become } = device('ann');
  const keeper = new ChatKeeper({ api: api as never, session });
  await answer('ann');
  const chats = keeper.current;
  if (!chats) throw new Error('Ann has chats');
  const ended = vi.spyOn(chats, 'dispose');
  become(tokens('bob'));
  expect(ended).toHaveBeenCalledTimes(1);
  expect(keeper.current).toBeNull();
  await answer('bob');
  expect(keeper.current?.me).toBe('bob');
  keeper.current?.dispose();
});
