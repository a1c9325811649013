import { stored } from '../store/stored';

/** A text is stored when nobody has typed for this long, in milliseconds. */
const AFTER = 400;

/** What was typed and not sent, by chat; kept on this device, also over a reload. */
export class Drafts {
  private readonly $drafts;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private unsaved: Record<string, string> = {};

  constructor(person: string) {
    this.$drafts = stored<Record<string, string>>(`convo.drafts.${person}`, {}, parse);
  }

  of(chat: string): string {
    return this.unsaved[chat] ?? this.$drafts.get()[chat] ?? '';
  }

  set(chat: string, text: string): void {
    this.unsaved[chat] = text;
    clearTimeout(this.timer);
    if (text === '') this.save();
    else this.timer = setTimeout(() => this.save(), AFTER);
  }

  save(): void {
    clearTimeout(this.timer);
    const all = { ...this.$drafts.get(), ...this.unsaved };
    this.unsaved = {};
    this.$drafts.set(Object.fromEntries(Object.entries(all).filter(([, text]) => text !== '')));
  }
}

function parse(value: unknown): Record<string, string> {
  const entries = Object.entries(value as object);
  if (entries.some(([, text]) => typeof text !== 'string')) throw new TypeError('not drafts');
  return Object.fromEntries(entries);
}
