import { expect, test } from 'vitest';
import { meetingCode } from './codes';

test.each([
  ['123-456-789', '123-456-789'],
  [' 123 456 789 ', '123-456-789'],
  ['123456789', '123-456-789'],
  ['ABC-defg-hij', 'abc-defg-hij'],
  ['https://meet.example/meeting/abc-defg-hij', 'abc-defg-hij'],
  ['http://localhost:8000/meeting/123-456-789/?from=mail#top', '123-456-789'],
  ['12345', null],
  ['hello', null],
  ['', null],
])('%j holds %j', (text, code) => {
  expect(meetingCode(text)).toBe(code);
});
