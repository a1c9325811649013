import { atom, computed, type ReadableAtom } from 'nanostores';
import type { Api } from '../api';
import type { Person } from '../api/conversations';
import { explain } from '../i18n/explain';
import { type Text, text } from '../i18n/i18n';
import type { Chats } from './chats';

/** More people than this are not listed: one types a letter more. */
const MOST = 50;

/** The choice of whom to talk to: one person, or several for a group. */
export class PeopleChoice {
  readonly $wanted = atom('');
  readonly $title = atom('');
  private readonly all = atom<readonly Person[] | null>(null);
  private readonly chosen = atom<readonly string[]>([]);
  private readonly problem = atom<Text | null>(null);
  private readonly busy = atom(false);

  constructor(
    private readonly services: {
      api: { conversations: Pick<Api['conversations'], 'people'> };
      chats: Pick<Chats, 'me' | 'openWith'>;
    },
  ) {
    void this.load();
  }

  /** Those who match what was typed, by name; `null`: not read yet. */
  readonly $shown: ReadableAtom<readonly Person[] | null> = computed(
    [this.all, this.$wanted],
    (all, wanted) => all?.filter((person) => matches(person, wanted)).slice(0, MOST) ?? null,
  );

  get $chosen(): ReadableAtom<readonly string[]> {
    return this.chosen;
  }

  get $problem(): ReadableAtom<Text | null> {
    return this.problem;
  }

  get $busy(): ReadableAtom<boolean> {
    return this.busy;
  }

  async load(): Promise<void> {
    this.problem.set(null);
    try {
      const people = await this.services.api.conversations.people();
      const others = people.filter((person) => person.user_id !== this.services.chats.me);
      this.all.set(others.sort((a, b) => a.name.localeCompare(b.name)));
    } catch (error) {
      this.problem.set(explain(error));
    }
  }

  toggle(id: string): void {
    const chosen = this.chosen.get();
    this.chosen.set(chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id]);
    this.problem.set(null);
  }

  /** Opens the conversation. Answers with its id, or `null` where something is wrong. */
  async open(): Promise<string | null> {
    const chosen = this.chosen.get();
    if (this.busy.get()) return null;
    if (chosen.length === 0) {
      this.problem.set(text('chat.choosePeople'));
      return null;
    }
    this.busy.set(true);
    try {
      const title = chosen.length > 1 ? this.$title.get().trim() : '';
      return await this.services.chats.openWith(chosen, title || undefined);
    } catch (error) {
      this.problem.set(explain(error));
      return null;
    } finally {
      this.busy.set(false);
    }
  }
}

function matches(person: Person, wanted: string): boolean {
  const words = `${person.name} ${person.email ?? ''}`.toLocaleLowerCase();
  return wanted
    .toLocaleLowerCase()
    .split(/\s+/u)
    .every((word) => words.includes(word));
}
