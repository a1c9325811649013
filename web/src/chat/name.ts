import type { Translator } from '../i18n/i18n';
import type { Chat } from './chats';

/** What a chat is called: as it was named, else after those in it. */
export function nameOf(chat: Pick<Chat, 'kind' | 'title' | 'people'>, { t, list }: Translator): string {
  if (chat.title) return chat.title;
  if (chat.kind === 'assistant') return t('chat.assistant');
  if (chat.people.length === 0) return t('chat.nobody');
  return list(chat.people.map((person) => person.name));
}

/** The time of something that happened: the time of day today, else the day. */
export function whenShort(date: Date, { time, format }: Translator, now = new Date()): string {
  const days = (now.getTime() - date.getTime()) / 86_400_000;
  if (date.toDateString() === now.toDateString()) return time(date);
  if (days < 6) return format(date, { weekday: 'short' });
  return format(date, { dateStyle: 'short' });
}

/** `Today`, `Yesterday`, or the day. */
export function dayName(date: Date, { t, day }: Translator, now = new Date()): string {
  if (date.toDateString() === now.toDateString()) return t('chat.today');
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  return date.toDateString() === yesterday.toDateString() ? t('chat.yesterday') : day(date);
}
