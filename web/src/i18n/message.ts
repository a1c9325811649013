/** A text with `{names}` to fill in, or one for each plural form of `{count}`. */
export type Message = string | PluralMessage;
export type PluralMessage = { other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;

/** The messages of one part of the app. */
export type Area = Record<string, Message>;

/** The same messages in another language: same names, any plural forms. */
export type Translation<Original extends Area> = {
  [K in keyof Original]: Original[K] extends string ? string : PluralMessage;
};

type Names<S> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

/** What a message wants filled in. */
export type Blanks<M> = M extends string
  ? Names<M>
  : M extends { other: infer S }
    ? Names<S> | 'count'
    : never;

export type Values<M> = { [Name in Blanks<M>]: Name extends 'count' ? number : string | number };

/** The message in its language, filled in. Numbers are written as the language does. */
export function fill(message: Message, values: Record<string, string | number>, locale: string): string {
  const text = typeof message === 'string' ? message : choose(message, values.count, locale);
  return text.replace(/\{(\w+)\}/g, (blank, name: string) => {
    const value = values[name];
    if (value === undefined) return blank;
    return typeof value === 'number' ? numberFormat(locale).format(value) : value;
  });
}

function choose(message: PluralMessage, count: string | number | undefined, locale: string): string {
  return message[pluralRules(locale).select(Number(count))] ?? message.other;
}

/** Making these takes long, and there are few: they are kept. */
function perLocale<T>(make: (locale: string) => T): (locale: string) => T {
  const made = new Map<string, T>();
  return (locale) => {
    const known = made.get(locale) ?? make(locale);
    made.set(locale, known);
    return known;
  };
}

const numberFormat = perLocale((locale) => new Intl.NumberFormat(locale));
const pluralRules = perLocale((locale) => new Intl.PluralRules(locale));
