import type { Area } from '../../message';

export const error = {
  network: 'No connection to the server. Check your network and try again.',
  busy: 'The server is busy at the moment. Try again shortly.',
  tooMany: 'Too many tries. Wait a little, then try again.',
  tooManySeconds: {
    one: 'Too many tries. Try again in {count} second.',
    other: 'Too many tries. Try again in {count} seconds.',
  },
  session: 'You have been logged out. Log in again to go on.',
  forbidden: 'You are not allowed to do this.',
  notFound: 'This does not exist, or no longer.',
  meetingNotFound: 'There is no meeting with this code.',
  meetingEnded: 'This meeting has ended.',
  meetingNotStarted: 'The host has not started this meeting yet.',
  meetingFull: 'This meeting is full.',
  meetingLocked: 'The host has locked this meeting.',
  passcode: 'The passcode is not right.',
  credentials: 'E-mail, phone number or password is not right.',
  notVerified: 'This account is not verified yet.',
  deactivated: 'This account has been deactivated.',
  taken: 'There is an account with this address already.',
  invalid: 'The server did not accept this: {detail}',
  unknown: 'That did not work. Try again.',
} as const satisfies Area;
