import type { Entry } from '../timeline/timeline';
import type { Author, Draft, Said } from './message';

export type ChatEntry = Entry<Said, Draft>;

/** What the list of messages shows, from the top. */
export type Row =
  | { kind: 'day'; key: string; day: Date }
  /** What follows is new. */
  | { kind: 'new'; key: string }
  /** What one person said in one go. */
  | { kind: 'group'; key: string; author: Author; mine: boolean; at: Date; entries: ChatEntry[] };

/** Messages of one person that are further apart than this are two goes, in milliseconds. */
const APART = 5 * 60_000;

/**
 * `firstUnread`: the mark of what is new stands before the first message from this `seq` on that is somebody else's.
 * `dayOf`: one text for each day, as the person sees days.
 */
export function rows(
  entries: readonly ChatEntry[],
  me: Author,
  firstUnread: number | null,
  dayOf: (date: Date) => string,
): Row[] {
  const made: Row[] = [];
  let day = '';
  let last: Date | null = null;
  let marked = firstUnread === null;
  for (const entry of entries) {
    const { author, at } = entry.state === 'stored' ? entry.message : { author: me, at: entry.draft.at };
    const seq = entry.state === 'stored' ? entry.message.seq : Number.POSITIVE_INFINITY;
    if (dayOf(at) !== day) {
      day = dayOf(at);
      made.push({ kind: 'day', key: `day-${day}`, day: at });
    }
    if (!marked && seq >= (firstUnread ?? 0) && author.id !== me.id) {
      marked = true;
      made.push({ kind: 'new', key: 'new' });
    }
    const group = made.at(-1);
    const near = last !== null && at.getTime() - last.getTime() < APART;
    if (group?.kind === 'group' && near && same(group.author, author)) group.entries.push(entry);
    else
      made.push({ kind: 'group', key: entry.key, author, mine: author.id === me.id, at, entries: [entry] });
    last = at;
  }
  return made;
}

const same = (a: Author, b: Author): boolean => a.id === b.id && a.name === b.name;
