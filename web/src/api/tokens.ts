import type { ReadableAtom } from 'nanostores';
import { newId } from '../store/id';
import type { StoredAtom } from '../store/stored';
import { ApiError } from './errors';
import type { TokenSource } from './http';

export interface Tokens {
  access: string;
  /** Good once: the server answers with the next one, and ends the session of whoever shows a spent one. */
  refresh: string;
  /**
   * Under this key `refresh` has been shown, perhaps without an answer: under the same key it may be shown again, and
   * the answer is the same.
   */
  renewal?: string;
  /** When `access` runs out, in milliseconds since 1970 by this device's clock. */
  expiresAt: number;
}

/** An access token with less time left is renewed before it is used, in milliseconds. */
const MARGIN = 60_000;

/** Runs a task while no other tab runs one under the same name. */
export type Exclusive = <T>(name: string, task: () => Promise<T>) => Promise<T>;

/**
 * The tokens of the person logged in. However many requests find the token run out, in however many tabs, one of them
 * renews it: a second use of a refresh token would end the session.
 */
export class TokenKeeper implements TokenSource {
  private renewing: Promise<string | null> | null = null;

  constructor(
    private readonly $tokens: StoredAtom<Tokens | null>,
    private readonly refresh: (token: string, key: string) => Promise<Tokens>,
    private readonly now: () => number = Date.now,
    private readonly exclusive: Exclusive = acrossTabs,
  ) {}

  /** The tokens; `null` for nobody. */
  get current(): ReadableAtom<Tokens | null> {
    return this.$tokens;
  }

  set(tokens: Tokens | null): void {
    this.$tokens.set(tokens);
  }

  get account(): string | null {
    const tokens = this.$tokens.get();
    return tokens && accountOf(tokens.access);
  }

  async token(): Promise<string | null> {
    const tokens = this.$tokens.get();
    if (!tokens || tokens.expiresAt - this.now() > MARGIN) return tokens?.access ?? null;
    return this.renew(tokens.access);
  }

  async renew(spent: string): Promise<string | null> {
    this.renewing ??= this.exclusive('convo.refresh', () => this.replace(spent)).finally(() => {
      this.renewing = null;
    });
    const token = await this.renewing;
    // Nobody who asked as one account goes on as another.
    return token !== null && accountOf(token) === accountOf(spent) ? token : null;
  }

  private async replace(spent: string): Promise<string | null> {
    const tokens = this.latest();
    // Another tab was first, or somebody logged out.
    if (tokens?.access !== spent) return tokens?.access ?? null;
    let next: Tokens | null;
    try {
      next = await this.refresh(tokens.refresh, this.keyOf(tokens));
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      next = null;
    }
    const now = this.latest();
    // Meanwhile another tab was first, or logged out: what is said there is newer.
    if (now?.refresh !== tokens.refresh) return now?.access ?? null;
    this.$tokens.set(next);
    return next?.access ?? null;
  }

  /** Kept before it is used: after a lost answer a reload, or another tab, asks under the same. */
  private keyOf(tokens: Tokens): string {
    if (tokens.renewal) return tokens.renewal;
    const renewal = newId();
    this.$tokens.set({ ...tokens, renewal });
    return renewal;
  }

  private latest(): Tokens | null {
    this.$tokens.reload();
    return this.$tokens.get();
  }
}

/** The id of the account that an access token speaks for: of a JWT, its `sub`. `null` where that cannot be read. */
export function accountOf(access: string): string | null {
  try {
    const payload = access.split('.')[1] ?? '';
    const { sub } = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    return typeof sub === 'string' ? sub : null;
  } catch {
    return null;
  }
}

/** What was stored as tokens, or throws. */
export function parseTokens(value: unknown): Tokens | null {
  if (value === null) return null;
  const { access, refresh, expiresAt, renewal } = value as Tokens;
  if (typeof access !== 'string' || typeof refresh !== 'string' || typeof expiresAt !== 'number') {
    throw new TypeError('not tokens');
  }
  return { access, refresh, expiresAt, ...(typeof renewal === 'string' ? { renewal } : {}) };
}

/**
 * Browsers have locks in secure contexts alone. Elsewhere a tab keeps order among its own requests, and two tabs that
 * renew at once do so under one key.
 */
const acrossTabs: Exclusive = async (name, task) =>
  typeof navigator !== 'undefined' && navigator.locks ? await navigator.locks.request(name, task) : task();
