import { computed } from 'nanostores';
import type { Profile } from '../api/platform';
import { deviceZone } from '../home/time';
import { type I18n, LOCALES, type Locale } from '../i18n/i18n';
import type { Session } from '../session/session';
import { type KeyValue, type StoredAtom, stored } from '../store/stored';

interface Services {
  session: Pick<Session, 'state' | 'update'>;
  i18n: Pick<I18n, '$choice' | 'translator'>;
}

/**
 * Brings the profile and the device together, once for each account on each device: a profile in which nobody chose
 * a time zone and a language takes the browser's; one in which somebody did lends the device its language.
 */
export class Settling {
  private readonly $settled: StoredAtom<readonly string[]>;

  constructor(
    private readonly services: Services,
    storage?: KeyValue | null,
    private readonly zone: () => string = deviceZone,
  ) {
    this.$settled = stored<readonly string[]>('convo.settled', [], parse, storage);
    const both = computed([services.session.state, services.i18n.translator], (state, translator) =>
      state.status === 'person' && translator
        ? { profile: state.profile, language: translator.locale }
        : null,
    );
    both.subscribe((both) => both && void this.settle(both.profile, both.language));
  }

  private async settle(profile: Profile, language: Locale): Promise<void> {
    if (this.$settled.get().includes(profile.id)) return;
    this.$settled.set([...this.$settled.get(), profile.id]);
    const { session, i18n } = this.services;
    if (profile.timezone === 'UTC' && profile.preferred_language === 'en') {
      const change = { timezone: this.zone(), preferred_language: language };
      // Without it the profile is as good as before.
      await session.update(change).catch(() => {});
    } else if (i18n.$choice.get() === null && profile.preferred_language !== language) {
      const wanted = localeOf(profile.preferred_language);
      if (wanted) i18n.$choice.set(wanted);
    }
  }
}

/** The app's language for a language tag such as `de-AT`; `null`: the app does not speak it. */
export function localeOf(tag: string): Locale | null {
  const language = tag.toLowerCase().split('-')[0] ?? '';
  return language in LOCALES ? (language as Locale) : null;
}

function parse(value: unknown): string[] {
  if (!Array.isArray(value) || value.some((id) => typeof id !== 'string')) throw new TypeError('not ids');
  return value;
}
