import type { Api } from '../api';
import { text } from '../i18n/i18n';
import type { Session } from '../session/session';
import { Form, type Problems } from '../store/form';
import type { Notices } from '../ui/notices';
import { isStrong } from './rules';

interface Services {
  api: { platform: Pick<Api['platform'], 'logIn'>; chatrooms: Pick<Api['chatrooms'], 'updateSelf'> };
  session: Pick<Session, 'profile' | 'deleteAccount'>;
  notices: Pick<Notices, 'say'>;
}

/** The API asks for no password where an account is changed or deleted; whoever finds a screen unlocked shall not do so. */
async function prove({ api, session }: Services, password: string): Promise<void> {
  const contact = session.profile?.email ?? session.profile?.phone_number ?? '';
  await api.platform.logIn(contact, password);
}

/** A new password; the other devices are logged out by it. */
export class PasswordChange {
  readonly form = new Form({
    initial: { current: '', next: '' },
    check: ({ current, next }) => {
      const problems: Problems<{ current: string; next: string }> = {};
      if (!current) problems.current = text('accounts.required');
      if (!isStrong(next)) problems.next = text('accounts.passwordWeak');
      return problems;
    },
    refused: (error) =>
      error.code === 'INVALID_CREDENTIALS' ? { current: text('settings.passwordWrong') } : null,
  });

  constructor(private readonly services: Services) {}

  async submit(): Promise<void> {
    const done = await this.form.submit(async ({ current, next }) => {
      await prove(this.services, current);
      await this.services.api.chatrooms.updateSelf(this.services.session.profile?.id ?? '', {
        password: next,
      });
    });
    if (!done) return;
    this.form.set('current', '');
    this.form.set('next', '');
    this.services.notices.say(text('settings.passwordChanged'));
  }
}

/** The end of an account. */
export class AccountEnd {
  readonly form = new Form({
    initial: { password: '' },
    check: ({ password }): Problems<{ password: string }> =>
      password ? {} : { password: text('accounts.required') },
    refused: (error) =>
      error.code === 'INVALID_CREDENTIALS' ? { password: text('settings.passwordWrong') } : null,
  });

  constructor(private readonly services: Services) {}

  /** Answers whether it is gone. */
  async submit(): Promise<boolean> {
    const done = await this.form.submit(async ({ password }) => {
      await prove(this.services, password);
      await this.services.session.deleteAccount();
    });
    if (done) this.services.notices.say(text('settings.deleted'));
    return done;
  }
}
