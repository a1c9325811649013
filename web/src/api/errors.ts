/**
 * What went wrong, in one shape, whichever of the five APIs said it. `code` is one of the server's `error_code`s, or
 * one of ours below.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status; 0 where no answer came. */
  readonly status: number;
  readonly code: ErrorCode;
  /** The field of the request that breaks a rule, where the server named one. */
  readonly field: string | null;
  /** Seconds until another try makes sense, where the server said so. */
  readonly retryAfter: number | null;

  constructor(problem: {
    status: number;
    code: ErrorCode;
    message: string;
    field?: string | null;
    retryAfter?: number | null;
    cause?: unknown;
  }) {
    super(problem.message, { cause: problem.cause });
    this.status = problem.status;
    this.code = problem.code;
    this.field = problem.field ?? null;
    this.retryAfter = problem.retryAfter ?? null;
  }

  /** Whether the same request may succeed a little later: no answer came, or a server that is busy or restarting. */
  get transient(): boolean {
    return this.status === 0 || this.status === 429 || [502, 503, 504].includes(this.status);
  }
}

/** The documented codes, and what this app adds: no network, no answer in time, an answer that is no JSON. */
export type ErrorCode =
  | 'BAD_REQUEST'
  | 'VALIDATION_ERROR'
  | 'AUTHENTICATION_REQUIRED'
  | 'INSUFFICIENT_PERMISSIONS'
  | 'RESOURCE_NOT_FOUND'
  | 'MEETING_NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'CONFLICT'
  | 'MEETING_ENDED'
  | 'MEETING_NOT_STARTED'
  | 'MEETING_FULL'
  | 'MEETING_LOCKED'
  | 'INVALID_PASSCODE'
  | 'PAYLOAD_TOO_LARGE'
  | 'RATE_LIMIT_EXCEEDED'
  | 'SERVICE_UNAVAILABLE'
  | 'INTERNAL_ERROR'
  | 'INVALID_CREDENTIALS'
  | 'ACCOUNT_NOT_VERIFIED'
  | 'ACCOUNT_DEACTIVATED'
  | 'NETWORK'
  | 'TIMEOUT'
  | 'UNREADABLE';

/** platform.md tells the three reasons why a log-in fails by their words alone. */
const REASONS: Record<string, ErrorCode> = {
  'Invalid credentials': 'INVALID_CREDENTIALS',
  'Account not verified': 'ACCOUNT_NOT_VERIFIED',
  'Account deactivated': 'ACCOUNT_DEACTIVATED',
};

const BY_STATUS: Record<number, ErrorCode> = {
  400: 'BAD_REQUEST',
  401: 'AUTHENTICATION_REQUIRED',
  403: 'INSUFFICIENT_PERMISSIONS',
  404: 'RESOURCE_NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  422: 'VALIDATION_ERROR',
  429: 'RATE_LIMIT_EXCEEDED',
  502: 'SERVICE_UNAVAILABLE',
  503: 'SERVICE_UNAVAILABLE',
  504: 'SERVICE_UNAVAILABLE',
};

/** The error that an answer tells, from any of the documented shapes: `{detail, error_code}`, `{detail}`, `{error}`. */
export function errorOf(status: number, body: unknown, retryAfter: string | null): ApiError {
  const fields = isRecord(body) ? body : {};
  const inner = isRecord(fields.error) ? fields.error : {};
  const message = text(fields.detail) ?? text(inner.message) ?? `HTTP ${status}`;
  const code = REASONS[message] ?? (text(fields.error_code) as ErrorCode | null) ?? BY_STATUS[status];
  const seconds = Number(retryAfter);
  return new ApiError({
    status,
    code: code ?? (status >= 500 ? 'INTERNAL_ERROR' : 'BAD_REQUEST'),
    message,
    field: text(fields.field),
    retryAfter: retryAfter !== null && Number.isFinite(seconds) ? seconds : null,
  });
}

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
