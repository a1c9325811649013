import { atom, computed, type ReadableAtom } from 'nanostores';
import type { MeetingChat, Recipient } from './chat';
import type { Person } from './people';

/** To whom one writes. `gone`: they were here when they were chosen, and are no longer. */
export interface Addressee extends Recipient {
  gone: boolean;
}

/**
 * What one is writing in a meeting, and to whom. Who was chosen stays chosen though they leave: what is meant for one
 * goes to everybody only when the writer says so.
 */
export class Writing {
  readonly $recipients: ReadableAtom<readonly Recipient[]>;
  /** `null`: everybody. */
  readonly $to: ReadableAtom<Addressee | null>;
  private readonly words = atom('');
  private readonly chosen = atom<Recipient | null>(null);

  constructor(
    private readonly chat: Pick<MeetingChat, 'send' | 'typing'>,
    $people: ReadableAtom<readonly Person[]>,
  ) {
    this.$recipients = computed($people, (people) => people.flatMap(recipientOf));
    this.$to = computed([this.chosen, this.$recipients], (chosen, recipients) => {
      const here = recipients.find(({ id }) => id === chosen?.id);
      return chosen && { ...(here ?? chosen), gone: !here };
    });
  }

  get $words(): ReadableAtom<string> {
    return this.words;
  }

  write(words: string): void {
    this.words.set(words);
    this.chat.typing();
  }

  /** By id; empty: to everybody. */
  address(id: string): void {
    const found = this.$recipients.get().find((recipient) => recipient.id === id);
    if (found || id === '') this.chosen.set(found ?? null);
  }

  /** To who is gone nothing goes out, and the words stay. */
  send(): void {
    const to = this.$to.get();
    if (to?.gone) return;
    this.chat.send(this.words.get(), to && { id: to.id, name: to.name });
    this.words.set('');
  }
}

/** Nobody writes to oneself, nor to who is known to the media server alone. */
function recipientOf({ isMe, userId, participantId, name }: Person): Recipient[] {
  const id = userId ?? participantId;
  return !isMe && id ? [{ id, name }] : [];
}
