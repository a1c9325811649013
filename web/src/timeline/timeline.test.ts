import { expect, test } from 'vitest';
import { Timeline } from './timeline';

const message = (seq: number, clientId: string | null = null) => ({ seq, clientId, text: `m${seq}` });
const shown = (timeline: Timeline<ReturnType<typeof message>, string>) =>
  timeline.entries
    .get()
    .map((entry) => (entry.state === 'stored' ? entry.message.text : `${entry.draft} (${entry.state})`));

test('messages are in their order, once, however they come', () => {
  const timeline = new Timeline<ReturnType<typeof message>, string>();
  timeline.add(message(3), message(1));
  timeline.add(message(2), message(3));
  expect(shown(timeline)).toEqual(['m1', 'm2', 'm3']);
  expect(timeline.range).toEqual({ first: 1, last: 3 });
});

test('an own message is there at once, and stays the same element when the server has it', () => {
  const timeline = new Timeline<ReturnType<typeof message>, string>();
  timeline.send('c1', 'hello');
  expect(shown(timeline)).toEqual(['hello (sending)']);
  const [before] = timeline.entries.get();
  timeline.add(message(1, 'c1'));
  const [after] = timeline.entries.get();
  expect(shown(timeline)).toEqual(['m1']);
  expect(after?.key).toBe(before?.key);
});

test('one that failed can be sent again or dropped; one that arrived cannot fail', () => {
  const timeline = new Timeline<ReturnType<typeof message>, string>();
  timeline.send('c1', 'hello');
  timeline.fail('c1');
  expect(shown(timeline)).toEqual(['hello (failed)']);
  timeline.send('c1', 'hello');
  timeline.add(message(1, 'c1'));
  timeline.fail('c1');
  expect(shown(timeline)).toEqual(['m1']);
  timeline.send('c2', 'oops');
  timeline.discard('c2');
  expect(shown(timeline)).toEqual(['m1']);
});
