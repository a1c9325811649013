import { timeZones } from '../home/time';
import { text } from '../i18n/i18n';
import type { Session } from '../session/session';
import { Form } from '../store/form';
import type { Notices } from '../ui/notices';

interface Fields {
  displayName: string;
  timeZone: string;
  camera: boolean;
  microphone: boolean;
}

/** The person's profile and how they come into meetings. */
export class Settings {
  readonly form: Form<Fields>;
  readonly timeZones: readonly string[];

  constructor(
    private readonly services: {
      session: Pick<Session, 'profile' | 'update'>;
      notices: Pick<Notices, 'say'>;
    },
  ) {
    const profile = services.session.profile;
    if (!profile) throw new Error('settings are a person’s');
    this.timeZones = timeZones(profile.timezone);
    this.form = new Form<Fields>({
      initial: {
        displayName: profile.display_name,
        timeZone: profile.timezone,
        camera: profile.meeting_settings.default_video_enabled,
        microphone: profile.meeting_settings.default_audio_enabled,
      },
      check: ({ displayName }) => (displayName.trim() ? {} : { displayName: text('accounts.required') }),
    });
  }

  async save(): Promise<void> {
    const done = await this.form.submit(({ displayName, timeZone, camera, microphone }) =>
      this.services.session.update({
        display_name: displayName.trim(),
        timezone: timeZone,
        meeting_settings: { default_video_enabled: camera, default_audio_enabled: microphone },
      }),
    );
    if (done) this.services.notices.say(text('settings.saved'));
  }
}
