import { beforeEach, expect, test } from 'vitest';
import type { Participant } from '../../api/platform';
import type { MeetingEvents } from '../../live/meeting';
import { Emitter } from '../../store/emitter';
import { Members } from './members';
import { participant } from './testing';

let events: Emitter<MeetingEvents>;
let members: Members;
const names = (all: Iterable<Participant>) => [...all].map(({ display_name }) => display_name);

beforeEach(() => {
  events = new Emitter();
  members = new Members(events, 'participant-me');
  events.emit('connected', {
    participant_id: 'participant-me',
    status: 'joined',
    seq: 0,
    meeting: null,
    participants: [participant('me'), participant('ann')],
  });
});

test('who comes and goes', () => {
  events.emit('participant_joined', participant('bob'));
  expect(names(members.$inside.get().values())).toEqual(['me', 'ann', 'bob']);
  events.emit('participant_left', participant('ann', { status: 'left' }));
  expect(names(members.$inside.get().values())).toEqual(['me', 'bob']);
  expect(members.peopleMet).toBe(2);
});

test('one person’s two devices are one person met', () => {
  events.emit('participant_joined', participant('bob', { user_id: 'user-bob' }));
  events.emit('participant_joined', participant('bob-phone', { user_id: 'user-bob' }));
  expect(members.peopleMet).toBe(2);
});

test('hands are in the order in which they went up', () => {
  events.emit('participant_joined', participant('bob'));
  events.emit('participant_updated', participant('bob', { hand_raised: true }));
  events.emit('participant_updated', participant('ann', { hand_raised: true }));
  events.emit('participant_updated', participant('bob', { hand_raised: true, audio_enabled: false }));
  expect(members.$hands.get()).toEqual(['participant-bob', 'participant-ann']);
  events.emit('participant_updated', participant('bob', { hand_raised: false }));
  expect(members.$hands.get()).toEqual(['participant-ann']);
  events.emit('participant_left', participant('ann', { status: 'left' }));
  expect(members.$hands.get()).toEqual([]);
});

test('after a lost connection the list is the server’s, hands keep their order', () => {
  events.emit('participant_joined', participant('bob'));
  events.emit('participant_updated', participant('bob', { hand_raised: true }));
  events.emit('participant_updated', participant('ann', { hand_raised: true }));
  const up = { hand_raised: true };
  events.emit('connected', {
    participant_id: 'participant-me',
    status: 'joined',
    seq: 3,
    meeting: null,
    participants: [participant('me'), participant('ann', up), participant('bob', up), participant('cem', up)],
  });
  expect(members.$hands.get()).toEqual(['participant-bob', 'participant-ann', 'participant-cem']);
});

test('the door: who waits, is let in, is turned away, gives up', () => {
  const waiting = (name: string) => participant(name, { status: 'waiting' });
  members.expect([waiting('early')], []);
  for (const name of ['bob', 'cem', 'dan', 'bob']) events.emit('participant_waiting', waiting(name));
  expect(names(members.$waiting.get())).toEqual(['early', 'cem', 'dan', 'bob']);
  events.emit('participant_joined', participant('bob'));
  events.emit('participant_denied', waiting('cem'));
  events.emit('participant_left', waiting('dan'));
  expect(names(members.$waiting.get())).toEqual(['early']);
});

test('who left the door, or was let back, while nothing was heard is no more there', () => {
  const waiting = (name: string) => participant(name, { status: 'waiting' });
  const removed = (name: string) => participant(name, { status: 'removed' });
  members.ask();
  members.expect([waiting('bob'), waiting('cem')], [removed('eve'), removed('fay')]);
  members.ask();
  members.expect([waiting('cem')], [removed('fay')]);
  expect(names(members.$waiting.get())).toEqual(['cem']);
  expect(names(members.$removed.get())).toEqual(['fay']);
});

test('what is told while the server is asked is newer than its answer', () => {
  const waiting = (name: string) => participant(name, { status: 'waiting' });
  members.ask();
  members.expect([waiting('bob'), waiting('cem')], []);
  members.ask();
  events.emit('participant_waiting', waiting('dan'));
  events.emit('participant_denied', waiting('bob'));
  events.emit('participant_left', participant('ann', { status: 'removed' }));
  members.expect([waiting('bob'), waiting('cem')], []);
  expect(names(members.$waiting.get())).toEqual(['cem', 'dan']);
  expect(names(members.$removed.get())).toEqual(['ann']);
  events.emit('participant_joined', participant('ann'));
  expect(names(members.$removed.get())).toEqual([]);
});

test('who was removed is remembered, to be let back', () => {
  members.expect([], [participant('eve', { status: 'removed' })]);
  events.emit('participant_left', participant('ann', { status: 'removed' }));
  expect(names(members.$inside.get().values())).toEqual(['me']);
  expect(names(members.$removed.get())).toEqual(['eve', 'ann']);
  members.backIn(participant('ann'));
  expect(names(members.$removed.get())).toEqual(['eve']);
});
