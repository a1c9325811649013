import { expect, test } from 'vitest';
import { type ChatEntry, rows } from './rows';

const me = { id: 'me', name: 'Me' };
const said = (seq: number, at: string, author = 'ann'): ChatEntry => ({
  state: 'stored',
  key: `seq-${seq}`,
  message: {
    id: `${seq}`,
    seq,
    clientId: null,
    author: { id: author, name: author },
    text: '',
    at: new Date(at),
  },
});
const day = (date: Date) => date.toISOString().slice(0, 10);
const shape = (entries: ChatEntry[], firstUnread: number | null = null) =>
  rows(entries, me, firstUnread, day).map((row) =>
    row.kind === 'group'
      ? `${row.author.id}: ${row.entries.map((entry) => entry.key.slice(4)).join(' ')}`
      : row.kind,
  );

test('messages are grouped by author and day, and by pauses', () => {
  const entries = [
    said(1, '2024-01-20T09:00:00Z'),
    said(2, '2024-01-20T09:04:00Z'),
    said(3, '2024-01-20T09:10:00Z'),
    said(4, '2024-01-20T09:10:01Z', 'bob'),
    said(5, '2024-01-20T23:59:59Z', 'bob'),
    said(6, '2024-01-21T00:00:01Z', 'bob'),
  ];
  expect(shape(entries)).toEqual(['day', 'ann: 1 2', 'ann: 3', 'bob: 4', 'bob: 5', 'day', 'bob: 6']);
});

test('the mark of what is new stands before the first such message, and parts a group', () => {
  const entries = [
    said(1, '2024-01-20T09:00:00Z'),
    said(2, '2024-01-20T09:00:01Z'),
    said(3, '2024-01-20T09:00:02Z'),
  ];
  expect(shape(entries, 2)).toEqual(['day', 'ann: 1', 'new', 'ann: 2 3']);
  expect(shape(entries, 4)).toEqual(['day', 'ann: 1 2 3']);
  const mine = said(1, '2024-01-20T09:00:00Z', me.id);
  expect(shape([mine, ...entries.slice(1)], 1)).toEqual(['day', 'me: 1', 'new', 'ann: 2 3']);
});

test('what is on its way is one’s own, at the end', () => {
  const draft = { text: 'x', at: new Date('2024-01-20T09:00:03Z'), problem: null, waits: false };
  const all = rows([said(1, '2024-01-20T09:00:00Z'), { state: 'sending', key: 'c1', draft }], me, null, day);
  expect(all.at(-1)).toMatchObject({ kind: 'group', mine: true, key: 'c1' });
});
