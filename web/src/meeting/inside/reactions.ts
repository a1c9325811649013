import { atom, type ReadableAtom } from 'nanostores';
import type { MeetingLine } from '../../live/meeting';

/** The reactions offered; others that come are shown too. */
export const EMOJIS = ['👍', '❤️', '😂', '👏', '🎉', '😮'] as const;

export interface Reaction {
  key: number;
  emoji: string;
  name: string;
  /** Where it rises, from 0 to 1 across the stage. */
  lane: number;
}

/** How long one is seen, in milliseconds. */
const STAYS = 4_000;
/** More at once would be a wall. */
const MOST = 24;

/** What people show for a moment. */
export class Reactions {
  private readonly shown = atom<readonly Reaction[]>([]);
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private next = 0;

  constructor(private readonly line: Pick<MeetingLine, 'events' | 'send'>) {
    line.events.on('reaction', ({ emoji, display_name }) => this.show(emoji, display_name));
  }

  get $shown(): ReadableAtom<readonly Reaction[]> {
    return this.shown;
  }

  /** Oneself hears it like everybody. */
  react(emoji: string): void {
    this.line.send({ type: 'reaction', data: { emoji } });
  }

  dispose(): void {
    for (const timer of this.timers) clearTimeout(timer);
  }

  private show(emoji: string, name: string): void {
    const key = this.next++;
    // The golden ratio's steps spread over the width and never pile up.
    const lane = (key * 0.618034) % 1;
    this.shown.set([...this.shown.get(), { key, emoji, name, lane }].slice(-MOST));
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.shown.set(this.shown.get().filter((other) => other.key !== key));
    }, STAYS);
    this.timers.add(timer);
  }
}
