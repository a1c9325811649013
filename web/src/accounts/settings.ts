import { timeZones } from '../home/time';
import { type I18n, LOCALES, type Locale, text } from '../i18n/i18n';
import type { Session } from '../session/session';
import { Form, type Problems } from '../store/form';
import type { Notices } from '../ui/notices';
import { localeOf } from './settle';

interface Fields {
  firstName: string;
  lastName: string;
  displayName: string;
  language: Locale;
  timeZone: string;
  camera: boolean;
  microphone: boolean;
  joinAudio: boolean;
}

/** The person's profile and how they come into meetings. */
export class Settings {
  readonly form: Form<Fields>;
  readonly timeZones: readonly string[];
  readonly languages = Object.entries(LOCALES) as [Locale, string][];

  constructor(
    private readonly services: {
      session: Pick<Session, 'profile' | 'update'>;
      i18n: Pick<I18n, '$choice' | 'translator'>;
      notices: Pick<Notices, 'say'>;
    },
  ) {
    const profile = services.session.profile;
    if (!profile) throw new Error('settings are a person’s');
    this.timeZones = timeZones(profile.timezone);
    const inForce = services.i18n.translator.get()?.locale ?? 'en';
    this.form = new Form<Fields>({
      initial: {
        firstName: profile.first_name,
        lastName: profile.last_name,
        displayName: profile.display_name,
        language: services.i18n.$choice.get() ?? localeOf(profile.preferred_language) ?? inForce,
        timeZone: profile.timezone,
        camera: profile.meeting_settings.default_video_enabled,
        microphone: profile.meeting_settings.default_audio_enabled,
        joinAudio: profile.meeting_settings.auto_join_audio,
      },
      check: (fields) => required(fields, ['firstName', 'displayName']),
    });
  }

  async save(): Promise<void> {
    const done = await this.form.submit(async (fields) => {
      await this.services.session.update({
        first_name: fields.firstName.trim(),
        last_name: fields.lastName.trim(),
        display_name: fields.displayName.trim(),
        timezone: fields.timeZone,
        preferred_language: fields.language,
        meeting_settings: {
          default_video_enabled: fields.camera,
          default_audio_enabled: fields.microphone,
          auto_join_audio: fields.joinAudio,
        },
      });
      // In force here at once; other devices take it over when somebody logs in there.
      this.services.i18n.$choice.set(fields.language);
    });
    if (done) this.services.notices.say(text('settings.saved'));
  }
}

function required(fields: Fields, names: ('firstName' | 'displayName')[]): Problems<Fields> {
  const empty = names.filter((name) => !fields[name].trim());
  return Object.fromEntries(empty.map((name) => [name, text('accounts.required')]));
}
