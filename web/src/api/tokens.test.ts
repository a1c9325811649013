import { expect, test, vi } from 'vitest';
import { stored } from '../store/stored';
import { ApiError } from './errors';
import { accountOf, parseTokens, TokenKeeper, type Tokens } from './tokens';

const NOW = 1_000_000;
const tokens = (name: string, expiresAt = NOW + 3_600_000): Tokens => ({
  access: `a-${name}`,
  refresh: `r-${name}`,
  expiresAt,
});

/** Tokens of an account, as the server makes them. */
const of = (account: string, name = '1'): Tokens => {
  const payload = btoa(JSON.stringify({ sub: account }))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
  return { ...tokens(`${account}-${name}`), access: `e30.${payload.replaceAll('=', '')}.${name}` };
};

/** Two tabs of one browser, on one storage, with one lock. */
function browser(first: Tokens | null, { locks = true } = {}) {
  const shelf = new Map<string, string>();
  const storage = {
    getItem: (key: string) => shelf.get(key) ?? null,
    setItem: (key: string, value: string) => void shelf.set(key, value),
    removeItem: (key: string) => void shelf.delete(key),
  };
  if (first) shelf.set('t', JSON.stringify(first));
  const refresh = vi.fn(async (_spent: string, _key: string) => tokens('2'));
  let queue: Promise<unknown> = Promise.resolve();
  const exclusive = <T>(_: string, task: () => Promise<T>): Promise<T> => {
    const done = queue.then(task);
    queue = done.catch(() => {});
    return done;
  };
  const tab = () =>
    new TokenKeeper(
      stored<Tokens | null>('t', null, parseTokens, storage),
      refresh,
      () => NOW,
      locks ? exclusive : (_, task) => task(),
    );
  return { tabs: [tab(), tab()] as const, tab, refresh, shelf };
}

test('a good token is used as it is', async () => {
  const { tabs, refresh } = browser(tokens('1'));
  expect(await tabs[0].token()).toBe('a-1');
  expect(refresh).not.toHaveBeenCalled();
});

test('one that is about to run out is renewed once, however many ask, in however many tabs', async () => {
  const { tabs, refresh } = browser(tokens('1', NOW + 1000));
  const all = await Promise.all([tabs[0].token(), tabs[0].token(), tabs[1].token(), tabs[1].renew('a-1')]);
  expect(all).toEqual(['a-2', 'a-2', 'a-2', 'a-2']);
  expect(refresh).toHaveBeenCalledTimes(1);
  expect(refresh).toHaveBeenCalledWith('r-1', expect.any(String));
});

test('a refresh token that the server does not take ends the session', async () => {
  const { tabs, refresh, shelf } = browser(tokens('1'));
  refresh.mockRejectedValue(new ApiError({ status: 401, code: 'AUTHENTICATION_REQUIRED', message: '' }));
  expect(await tabs[0].renew('a-1')).toBeNull();
  expect(tabs[0].current.get()).toBeNull();
  expect(shelf.size).toBe(0);
});

test('a network that fails does not', async () => {
  const { tabs, refresh } = browser(tokens('1'));
  refresh.mockRejectedValueOnce(new ApiError({ status: 0, code: 'NETWORK', message: '' }));
  await expect(tabs[0].renew('a-1')).rejects.toMatchObject({ code: 'NETWORK' });
  expect(await tabs[0].renew('a-1')).toBe('a-2');
});

const network = new ApiError({ status: 0, code: 'NETWORK', message: '' });

const A_KEY = expect.stringMatching(/^[0-9a-f]{32}$/);

test('a renewal whose answer is lost is asked for under the same key, by a page that is loaded anew too', async () => {
  const { tabs, tab, refresh, shelf } = browser(tokens('1'));
  refresh.mockImplementationOnce(async (_, key) => {
    // A page may go away while it waits.
    expect(JSON.parse(shelf.get('t') ?? '')).toEqual({ ...tokens('1'), renewal: key });
    throw network;
  });
  refresh.mockRejectedValueOnce(network);
  await expect(tabs[0].renew('a-1')).rejects.toBe(network);
  await expect(tabs[1].renew('a-1')).rejects.toBe(network);
  expect(await tab().renew('a-1')).toBe('a-2');
  const keys = refresh.mock.calls.map(([, key]) => key);
  expect(keys).toEqual([A_KEY, keys[0], keys[0]]);
  // The next renewal is another.
  expect(JSON.parse(shelf.get('t') ?? '')).toEqual(tokens('2'));
});

test('without locks two tabs that renew at once do so under one key', async () => {
  const { tabs, refresh } = browser(tokens('1'), { locks: false });
  expect(await Promise.all([tabs[0].renew('a-1'), tabs[1].renew('a-1')])).toEqual(['a-2', 'a-2']);
  const keys = refresh.mock.calls.map(([, key]) => key);
  expect(keys).toEqual([A_KEY, keys[0]]);
});

test('where nothing can be stored the tokens are this page’s alone, and are renewed all the same', async () => {
  const $tokens = stored<Tokens | null>('t', null, parseTokens, null);
  const keeper = new TokenKeeper(
    $tokens,
    async () => tokens('2'),
    () => NOW,
  );
  keeper.set(tokens('1'));
  expect(await keeper.renew('a-1')).toBe('a-2');
});

test('whose a token is can be read from it', () => {
  expect(accountOf(of('ann').access)).toBe('ann');
  expect(accountOf(of('þÿ?>~').access)).toBe('þÿ?>~');
  expect([accountOf('opaque'), accountOf('a.b.c'), accountOf('e30.MQ.x')]).toEqual([null, null, null]);
});

test('a tab that did not see that somebody else has logged in does not go on as they', async () => {
  const { tabs, refresh } = browser(of('ann'));
  tabs[1].set(of('bob'));
  expect(await tabs[0].renew(of('ann').access)).toBeNull();
  expect(tabs[0].account).toBe('bob');
  expect(refresh).not.toHaveBeenCalled();
});

test('nor by the renewal that somebody else has asked for', async () => {
  const { tabs, refresh } = browser(of('bob'));
  refresh.mockResolvedValue(of('bob', '2'));
  const both = [tabs[0].renew(of('bob').access), tabs[0].renew(of('ann').access)];
  expect(await Promise.all(both)).toEqual([of('bob', '2').access, null]);
});

test.each([
  ['brings tokens', (done: (tokens: Tokens) => void) => done(of('ann', '2'))],
  [
    'is refused',
    (_: unknown, fail: (error: Error) => void) =>
      fail(new ApiError({ status: 401, code: 'AUTHENTICATION_REQUIRED', message: '' })),
  ],
])('a renewal that %s when somebody else has logged in meanwhile changes nothing', async (_, answer) => {
  const { tabs, refresh } = browser(of('ann'));
  let act = (): void => {};
  refresh.mockImplementation(
    () =>
      new Promise((resolve, reject) => {
        act = () => answer(resolve, reject);
      }),
  );
  const renewed = tabs[0].renew(of('ann').access);
  await vi.waitFor(() => expect(refresh).toHaveBeenCalled());
  tabs[1].set(of('bob'));
  act();
  expect(await renewed).toBeNull();
  expect(tabs[0].current.get()).toEqual(of('bob'));
});

test('what is stored and no tokens is nobody’s', () => {
  const { shelf } = browser(null);
  expect(shelf.size).toBe(0);
  expect(() => parseTokens({ access: 1 })).toThrow();
});
