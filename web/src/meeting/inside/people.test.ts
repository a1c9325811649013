import { expect, test } from 'vitest';
import { people } from './people';
import { mediaPerson, participant } from './testing';

const members = new Map(['me', 'ann'].map((name) => [`participant-${name}`, participant(name)]));
const media = new Map([
  ['ann', mediaPerson('ann', { microphone: true, quality: 'poor' })],
  ['robot', mediaPerson('robot', { name: '' })],
]);

test('what the meeting and the media know is one person', () => {
  const [me, ann, robot] = people(members, media, ['participant-ann'], 'participant-me', []);
  expect(me).toMatchObject({ isMe: true, microphone: false, hand: null });
  expect(ann).toMatchObject({ isMe: false, microphone: true, quality: 'poor', hand: 1 });
  expect(robot).toMatchObject({ participantId: null, name: 'robot' });
});

test('who did not change is the same object: their tile is not drawn anew', () => {
  const before = people(members, media, [], 'participant-me', []);
  const speaking = new Map(media).set('robot', mediaPerson('robot', { name: '', speaking: true }));
  const after = people(members, speaking, [], 'participant-me', before);
  expect(after[1]).toBe(before[1]);
  expect(after[2]).not.toBe(before[2]);
});
