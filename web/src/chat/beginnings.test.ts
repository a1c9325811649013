import { expect, test, vi } from 'vitest';
import { ApiError } from '../api';
import { Question, titleOf } from './beginnings';

test.each([
  [' What is it? \nMore', 'What is it?'],
  [`${'word '.repeat(20)}`, `${'word '.repeat(11)}word…`],
  ['字'.repeat(80), `${'字'.repeat(60)}…`],
])('%j is called %j', (question, title) => {
  expect(titleOf(question)).toBe(title);
});

test('a question that could not be sent is asked once all the same', async () => {
  const openAssistant = vi.fn(async () => 'c1');
  const send = vi.fn();
  const network = new ApiError({ status: 0, code: 'NETWORK', message: '' });
  send.mockRejectedValueOnce(network);
  const model = new Question({ api: { chatrooms: { send } }, chats: { openAssistant } });
  model.form.set('question', ' Why? ');
  expect(await model.ask()).toBeNull();
  expect(model.form.$failure.get()?.key).toBe('error.network');
  expect(await model.ask()).toBe('c1');
  expect(openAssistant).toHaveBeenCalledTimes(1);
  expect(send.mock.calls[0]).toEqual(send.mock.calls[1]);
  expect(send.mock.calls[0]?.slice(0, 2)).toEqual(['c1', 'Why?']);
});
