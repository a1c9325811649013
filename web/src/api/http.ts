import { backoff } from '../live/backoff';
import { ApiError, errorOf } from './errors';

export interface Request {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  query?: Record<string, string | number | boolean | null | undefined>;
  /** Sent as JSON. */
  body?: unknown;
  /** Who asks: the person logged in, nobody, the person if there is one, or the bearer of a token (a guest). */
  as?: 'person' | 'nobody' | 'anyone' | { token: string };
  /** The server does the thing once for one key, however often it is asked: makes a POST safe to repeat. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** Where the bearer token of the person logged in comes from. */
export interface TokenSource {
  /** Whose token that is: the account's id, as far as it is known. */
  readonly account: string | null;
  /** A token that is good for a while; `null` for nobody. */
  token(): Promise<string | null>;
  /** The server did not take `spent`: another one of the same account, or `null` when the session is over. */
  renew(spent: string): Promise<string | null>;
}

/** No answer within this time counts as none, in milliseconds. */
const TIMEOUT = 20_000;
/** How often a request that may be repeated is sent at most. */
const ATTEMPTS = 3;
/** A server that asks for more patience than this is not waited for, in seconds. */
const PATIENCE = 5;

/**
 * Requests to the server: JSON in and out, every failure an `ApiError`. A request that changes nothing, or that has an
 * idempotency key, is sent again when the network or the server fails it; a token that has run out is renewed.
 */
export class Http {
  constructor(
    private readonly tokens: TokenSource,
    private readonly fetch: typeof globalThis.fetch = (...args) => globalThis.fetch(...args),
    private readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void> = sleepFor,
  ) {}

  async request<T>(path: string, request: Request = {}): Promise<T> {
    const { account } = this.tokens;
    const repeatable = (request.method ?? 'GET') === 'GET' || request.idempotencyKey !== undefined;
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.authorized(path, request, account)) as T;
      } catch (error) {
        if (!(error instanceof ApiError) || !error.transient || !repeatable || attempt === ATTEMPTS)
          throw error;
        if ((error.retryAfter ?? 0) > PATIENCE) throw error;
        await this.sleep(Math.max((error.retryAfter ?? 0) * 1000, backoff(attempt)), request.signal);
      }
    }
  }

  private async authorized(path: string, request: Request, account: string | null): Promise<unknown> {
    const as = request.as ?? 'person';
    if (typeof as === 'object') return this.send(path, request, as.token);
    if (as === 'nobody') return this.send(path, request, null);
    const current = await this.tokens.token();
    // What one person asks for is not asked again as the one who has logged in meanwhile.
    const token = this.tokens.account === account ? current : null;
    if (token === null && as === 'person') {
      throw new ApiError({ status: 401, code: 'AUTHENTICATION_REQUIRED', message: 'Not logged in' });
    }
    try {
      return await this.send(path, request, token);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401 || token === null) throw error;
      const renewed = await this.tokens.renew(token);
      if (renewed === null && as === 'person') throw error;
      return this.send(path, request, renewed);
    }
  }

  private async send(path: string, request: Request, token: string | null): Promise<unknown> {
    const headers = new Headers({ Accept: 'application/json' });
    if (request.body !== undefined) headers.set('Content-Type', 'application/json');
    if (token !== null) headers.set('Authorization', `Bearer ${token}`);
    if (request.idempotencyKey) headers.set('Idempotency-Key', request.idempotencyKey);
    const timeout = AbortSignal.timeout(TIMEOUT);
    let response: Response;
    let body: unknown;
    try {
      response = await this.fetch(path + queryString(request.query), {
        method: request.method ?? 'GET',
        headers,
        body: request.body === undefined ? null : JSON.stringify(request.body),
        signal: request.signal ? AbortSignal.any([request.signal, timeout]) : timeout,
        cache: 'no-store',
        credentials: 'omit',
      });
      body = parse(await response.text());
    } catch (cause) {
      if (request.signal?.aborted) throw cause;
      const code = timeout.aborted ? 'TIMEOUT' : 'NETWORK';
      throw new ApiError({ status: 0, code, message: 'No answer from the server', cause });
    }
    if (!response.ok) throw errorOf(response.status, body, response.headers.get('Retry-After'));
    if (body === undefined) {
      throw new ApiError({ status: response.status, code: 'UNREADABLE', message: 'The answer is no JSON' });
    }
    return body;
  }
}

/** `undefined`: no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function queryString(query: Request['query']): string {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : '';
}

function sleepFor(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
