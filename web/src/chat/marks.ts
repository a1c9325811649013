import { type KeyValue, type StoredAtom, stored } from '../store/stored';

/**
 * Up to which message each chat was read on this device, by the chat's id. The APIs keep no such thing, so another
 * device knows nothing of it; the tabs of one browser share it.
 */
export class ReadMarks {
  readonly $marks: StoredAtom<Readonly<Record<string, number>>>;
  /** Nothing was ever read here: what is there already is not new because this device is. */
  readonly firstTime: boolean;

  constructor(person: string, storage?: KeyValue | null) {
    this.$marks = stored<Readonly<Record<string, number>>>(`convo.read.${person}`, NONE, parse, storage);
    this.firstTime = this.$marks.get() === NONE;
  }

  /** `undefined`: the chat was never seen on this device. */
  of(chat: string): number | undefined {
    return this.$marks.get()[chat];
  }

  /** Never goes back. */
  read(chat: string, seq: number): void {
    const known = this.of(chat);
    if (known === undefined || known < seq) this.$marks.set({ ...this.$marks.get(), [chat]: seq });
  }
}

const NONE = Object.freeze({});

function parse(value: unknown): Record<string, number> {
  const entries = Object.entries(value as object);
  if (entries.some(([, seq]) => typeof seq !== 'number')) throw new TypeError('not marks');
  return Object.fromEntries(entries);
}
