import type { Participant, Role } from '../../api/platform';
import type { MediaPerson, Quality, Source } from './media';

/** Somebody in the meeting: what the meeting and the media server know of them, in one. */
export interface Person {
  /** LiveKit's name, which both know. */
  identity: string;
  /** `null`: known to the media server alone. */
  participantId: string | null;
  userId: string | null;
  name: string;
  role: Role;
  isMe: boolean;
  microphone: boolean;
  camera: Source;
  screen: Source;
  speaking: boolean;
  quality: Quality;
  /** Place in the line of raised hands, from 1; `null`: not raised. */
  hand: number | null;
}

const NOTHING: Source = { on: false, picture: null };

/** Joins both lists; who did not change since `before` is the same object as then. */
export function people(
  members: ReadonlyMap<string, Participant>,
  media: ReadonlyMap<string, MediaPerson>,
  hands: readonly string[],
  me: string,
  before: readonly Person[],
): readonly Person[] {
  const known = new Map(before.map((person) => [person.identity, person]));
  const met = [...members.values()].map((member) => ofMember(member, media.get(member.identity), hands, me));
  const identities = new Set(met.map(({ identity }) => identity));
  const others = [...media.values()].filter(({ identity }) => !identities.has(identity)).map(ofMedia);
  return [...met, ...others].map((person) => {
    const old = known.get(person.identity);
    return old && equal(old, person) ? old : person;
  });
}

function ofMember(
  member: Participant,
  media: MediaPerson | undefined,
  hands: readonly string[],
  me: string,
): Person {
  const place = hands.indexOf(member.participant_id);
  return {
    identity: member.identity,
    participantId: member.participant_id,
    userId: member.user_id,
    name: member.display_name,
    role: member.role,
    isMe: member.participant_id === me,
    microphone: media?.microphone ?? false,
    camera: media?.camera ?? NOTHING,
    screen: media?.screen ?? NOTHING,
    speaking: media?.speaking ?? false,
    quality: media?.quality ?? 'unknown',
    hand: place < 0 ? null : place + 1,
  };
}

function ofMedia(media: MediaPerson): Person {
  return {
    ...media,
    name: media.name || media.identity,
    participantId: null,
    userId: null,
    role: 'participant',
    hand: null,
  };
}

function equal(a: Person, b: Person): boolean {
  return (Object.keys(b) as (keyof Person)[]).every((key) => a[key] === b[key]);
}
