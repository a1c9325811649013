import { ApiError, type ErrorCode } from '../api/errors';
import { type Text, text } from './i18n';

/** What to tell a person about a failure. */
export function explain(error: unknown): Text {
  if (!(error instanceof ApiError)) return text('error.unknown');
  if (error.code === 'RATE_LIMIT_EXCEEDED' && error.retryAfter !== null) {
    return text('error.tooManySeconds', { count: error.retryAfter });
  }
  if (error.code === 'VALIDATION_ERROR') return text('error.invalid', { detail: error.message });
  return SAID[error.code] ?? text('error.unknown');
}

const SAID: Partial<Record<ErrorCode, Text>> = {
  NETWORK: text('error.network'),
  TIMEOUT: text('error.network'),
  SERVICE_UNAVAILABLE: text('error.busy'),
  RATE_LIMIT_EXCEEDED: text('error.tooMany'),
  AUTHENTICATION_REQUIRED: text('error.session'),
  INSUFFICIENT_PERMISSIONS: text('error.forbidden'),
  RESOURCE_NOT_FOUND: text('error.notFound'),
  MEETING_NOT_FOUND: text('error.meetingNotFound'),
  MEETING_ENDED: text('error.meetingEnded'),
  MEETING_NOT_STARTED: text('error.meetingNotStarted'),
  MEETING_FULL: text('error.meetingFull'),
  MEETING_LOCKED: text('error.meetingLocked'),
  INVALID_PASSCODE: text('error.passcode'),
  INVALID_CREDENTIALS: text('error.credentials'),
  ACCOUNT_NOT_VERIFIED: text('error.notVerified'),
  ACCOUNT_DEACTIVATED: text('error.deactivated'),
  CONFLICT: text('error.taken'),
};
