import { atom } from 'nanostores';
import { beforeEach, expect, test } from 'vitest';
import type { Recipient } from './chat';
import type { Person } from './people';
import { person } from './testing';
import { Writing } from './writing';

const $people = atom<readonly Person[]>([]);
let sent: [string, Recipient | null][];
let writing: Writing;

beforeEach(() => {
  sent = [];
  $people.set([person('me'), person('ann', { userId: 'user-ann' }), person('bob')]);
  writing = new Writing({ send: (words, to) => void sent.push([words, to]), typing: () => {} }, $people);
});

const leave = (identity: string) =>
  $people.set($people.get().filter((person) => person.identity !== identity));

test('one writes to everybody, or to one of the others', () => {
  expect(writing.$recipients.get()).toEqual([
    { id: 'user-ann', name: 'ann' },
    { id: 'participant-bob', name: 'bob' },
  ]);
  writing.write('hello');
  writing.send();
  writing.address('user-ann');
  writing.write('psst');
  writing.send();
  expect(sent).toEqual([
    ['hello', null],
    ['psst', { id: 'user-ann', name: 'ann' }],
  ]);
  expect(writing.$words.get()).toBe('');
});

test('what is meant for somebody who leaves goes to nobody, least of all to everybody', () => {
  writing.address('participant-bob');
  writing.write('between us');
  leave('bob');
  expect(writing.$to.get()).toEqual({ id: 'participant-bob', name: 'bob', gone: true });
  writing.send();
  expect(sent).toEqual([]);
  expect(writing.$words.get()).toBe('between us');
});

test('only the writer turns it to others, or sends it when they are back', () => {
  writing.address('user-ann');
  writing.write('hello');
  leave('ann');
  writing.address('user-ann');
  expect(writing.$to.get()?.gone).toBe(true);
  $people.set([person('ann', { userId: 'user-ann', name: 'Ann B.' })]);
  writing.send();
  leave('ann');
  writing.address('');
  writing.write('all of you');
  writing.send();
  expect(sent).toEqual([
    ['hello', { id: 'user-ann', name: 'Ann B.' }],
    ['all of you', null],
  ]);
});
