import { atom, computed, type ReadableAtom } from 'nanostores';
import { stored } from '../store/stored';
import { fill, type Message, type Values } from './message';
import type { Catalog } from './messages/en';

/** The languages of the app, each under its own name. */
export const LOCALES = { en: 'English', de: 'Deutsch', zh: '中文', ar: 'العربية' } as const;
export type Locale = keyof typeof LOCALES;

const RIGHT_TO_LEFT: readonly Locale[] = ['ar'];

/** A message's name: `area.message`. */
export type Key = { [A in keyof Catalog]: `${A & string}.${keyof Catalog[A] & string}` }[keyof Catalog];

type MessageAt<K extends Key> = K extends `${infer A}.${infer M}`
  ? A extends keyof Catalog
    ? M extends keyof Catalog[A]
      ? Catalog[A][M]
      : never
    : never
  : never;

type Arguments<K extends Key> = [keyof Values<MessageAt<K>>] extends [never] ? [] : [Values<MessageAt<K>>];

/** A message and what fills it in, to be said later in whatever language is in force: what view models speak. */
export interface Text {
  key: Key;
  values?: Record<string, string | number>;
}

/** A message for later; the values are checked here. */
export function text<K extends Key>(key: K, ...[values]: Arguments<K>): Text {
  return values ? { key, values: values as Record<string, string | number> } : { key };
}

/** One language: its messages, and how it writes dates and numbers. */
export class Translator {
  readonly dir: 'ltr' | 'rtl';

  /** `region`: the kind of the language that the browser asks for, such as `en-GB`: dates are written as there. */
  constructor(
    readonly locale: Locale,
    private readonly catalog: Record<string, Record<string, Message>>,
    private readonly region: string = locale,
  ) {
    this.dir = RIGHT_TO_LEFT.includes(locale) ? 'rtl' : 'ltr';
  }

  readonly t = <K extends Key>(key: K, ...[values]: Arguments<K>): string =>
    this.say({ key, values: values as Record<string, string | number> | undefined });

  /** What a view model has to say. */
  readonly say = ({ key, values }: Text): string => {
    const [area = '', name = ''] = key.split('.');
    return fill(this.catalog[area]?.[name] ?? key, values ?? {}, this.locale);
  };

  /** The time of day, of the device's time zone or another's. */
  readonly time = (date: Date, timeZone?: string): string =>
    this.format(date, { timeStyle: 'short', timeZone });

  /** `Friday, 20 November`: with the year where it is another than this one. */
  readonly day = (date: Date, timeZone?: string): string => {
    const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: 'numeric' as const };
    return this.format(date, { weekday: 'long', day: 'numeric', month: 'long', ...year, timeZone });
  };

  readonly dayAndTime = (date: Date, timeZone?: string): string =>
    this.format(date, { dateStyle: 'medium', timeStyle: 'short', timeZone });

  readonly format = (date: Date, options: Intl.DateTimeFormatOptions): string =>
    new Intl.DateTimeFormat(this.region, options).format(date);

  /** `in 5 minutes`, `yesterday`. */
  readonly relative = (date: Date, now: Date = new Date()): string => {
    const seconds = (date.getTime() - now.getTime()) / 1000;
    const units = [
      ['day', 86_400],
      ['hour', 3600],
      ['minute', 60],
    ] as const;
    const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? (['minute', 60] as const);
    const format = new Intl.RelativeTimeFormat(this.locale, { numeric: 'auto' });
    return format.format(Math.trunc(seconds / size), unit);
  };

  /** `Ann, Bob and Cem`. */
  readonly list = (items: readonly string[]): string => new Intl.ListFormat(this.locale).format(items);
}

/** Loads one language's messages; they are in the page's code no sooner. */
const CATALOGS: Record<Locale, () => Promise<{ catalog: Record<string, Record<string, Message>> }>> = {
  en: () => import('./messages/en'),
  de: () => import('./messages/de'),
  zh: () => import('./messages/zh'),
  ar: () => import('./messages/ar'),
};

/** The language in force, and the change to another. */
export class I18n {
  /** The person's choice on this device; `null`: the browser's. public/boot.js reads the same key. */
  readonly $choice = stored<Locale | null>('convo.locale', null, (value) => {
    if (typeof value !== 'string' || !(value in LOCALES)) throw new TypeError('not a language');
    return value as Locale;
  });
  private readonly $translator = atom<Translator | null>(null);
  private wanted: Locale | null = null;
  private languages: readonly string[] = [];

  /** `null` until the first language is there. */
  get translator(): ReadableAtom<Translator | null> {
    return this.$translator;
  }

  /** Follows the choice from now on; resolves when the first language is there. */
  async start(languages: readonly string[]): Promise<void> {
    this.languages = languages;
    const $locale = computed(this.$choice, (choice) => choice ?? preferred(languages));
    await this.load($locale.get());
    $locale.listen((locale) => void this.load(locale));
  }

  private async load(locale: Locale): Promise<void> {
    this.wanted = locale;
    const { catalog } = await CATALOGS[locale]();
    if (this.wanted === locale)
      this.$translator.set(new Translator(locale, catalog, regional(locale, this.languages)));
  }
}

/** The browser's own kind of the language, if it speaks it. */
function regional(locale: Locale, languages: readonly string[]): string {
  return languages.find((tag) => languageOf(tag) === locale) ?? locale;
}

const languageOf = (tag: string): string => tag.toLowerCase().split('-')[0] ?? '';

/** The first of the browser's languages that the app speaks, else English. */
export function preferred(languages: readonly string[]): Locale {
  const spoken = languages.map(languageOf);
  return (spoken.find((language) => language in LOCALES) as Locale | undefined) ?? 'en';
}
