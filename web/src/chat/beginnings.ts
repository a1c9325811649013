import type { Api } from '../api';
import { text } from '../i18n/i18n';
import { Form } from '../store/form';
import { newId } from '../store/id';
import type { Chats } from './chats';

/** A conversation's name is at most so long, in characters. */
const TITLE = 60;

/** A chatroom in the making. */
export class NewRoom {
  readonly form = new Form({
    initial: { name: '' },
    check: ({ name }) => (name.trim() ? {} : { name: text('accounts.required') }),
  });

  constructor(private readonly chats: Pick<Chats, 'createRoom'>) {}

  /** Answers with its id, or `null` where something is wrong. */
  async create(): Promise<string | null> {
    let id: string | null = null;
    await this.form.submit(async ({ name }) => {
      id = await this.chats.createRoom(name.trim());
    });
    return id;
  }
}

/** A first question to the agent, after which the conversation is called. */
export class Question {
  readonly form = new Form({
    initial: { question: '' },
    check: ({ question }) => (question.trim() ? {} : { question: text('accounts.required') }),
  });
  /** The same for each try, so that the question is asked once. */
  private readonly key = newId();
  private id: string | null = null;

  constructor(
    private readonly services: {
      api: { chatrooms: Pick<Api['chatrooms'], 'send'> };
      chats: Pick<Chats, 'openAssistant'>;
    },
  ) {}

  /** Answers with the conversation's id, or `null` where something is wrong. */
  async ask(): Promise<string | null> {
    const done = await this.form.submit(async ({ question }) => {
      this.id ??= await this.services.chats.openAssistant(titleOf(question));
      await this.services.api.chatrooms.send(this.id, question.trim(), this.key);
    });
    return done ? this.id : null;
  }
}

/** The beginning of the first line, cut between words. */
export function titleOf(question: string): string {
  const line = question.trim().split('\n')[0]?.trim() ?? '';
  const letters = [...line];
  if (letters.length <= TITLE) return line;
  const cut = letters.slice(0, TITLE).join('');
  return `${cut.replace(/\s+\S*$/u, '')}…`;
}
