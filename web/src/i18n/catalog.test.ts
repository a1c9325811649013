import { describe, expect, test } from 'vitest';
import type { LOCALES } from './i18n';
import type { Area, Message } from './message';
import { catalog as ar } from './messages/ar';
import { catalog as de } from './messages/de';
import { catalog as en } from './messages/en';
import { catalog as zh } from './messages/zh';

const CATALOGS: Record<keyof typeof LOCALES, Record<string, Area>> = { en, de, zh, ar };

const forms = (message: Message) => (typeof message === 'string' ? { other: message } : message);
const blanks = (text = '') => new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));

describe.each(Object.entries(CATALOGS))('messages in %s', (locale, catalog) => {
  const categories = new Intl.PluralRules(locale).resolvedOptions().pluralCategories;
  const all = Object.entries(en as Record<string, Area>).flatMap(([area, messages]) =>
    Object.entries(messages).map(
      ([name, original]) => [`${area}.${name}`, original, catalog[area]?.[name]] as const,
    ),
  );

  test.each(all)('%s has the blanks and plural forms it needs', (_, original, message) => {
    if (message === undefined) throw new Error('not translated');
    expect(blanks(forms(message).other)).toEqual(blanks(forms(original).other));
    for (const text of Object.values(forms(message))) {
      expect(text.trim()).not.toBe('');
      // A form for one or two may spell the number out, but fills in nothing else.
      for (const blank of blanks(text)) expect(blanks(forms(original).other)).toContain(blank);
    }
    if (typeof message !== 'string') expect(Object.keys(message).sort()).toEqual([...categories].sort());
  });
});
