import type { Api } from '../api';
import { explain } from '../i18n/explain';
import { text } from '../i18n/i18n';
import { Form, type Problems } from '../store/form';
import type { Notices } from '../ui/notices';
import { isEmail } from './rules';

export interface VerificationServices {
  api: { platform: Pick<Api['platform'], 'verifyEmail' | 'verifyPhone' | 'resendVerification'> };
  notices: Pick<Notices, 'say' | 'warn'>;
}

/** Proves that an address is a person's, by the code that was sent to it. */
export class Verification {
  readonly form = new Form({
    initial: { code: '' },
    check: ({ code }): Problems<{ code: string }> => (code.trim() ? {} : { code: text('accounts.required') }),
    refused: (error) =>
      error.status === 422 || error.status === 400 ? { code: text('accounts.codeWrong') } : null,
  });

  constructor(
    private readonly services: VerificationServices,
    /** The e-mail address or phone number, as it is when it is needed. */
    private readonly contact: () => string,
  ) {}

  /** `then`: what follows, as a part of it: its failure is the form's. Answers whether all was done. */
  verify(then: () => Promise<void> = async () => {}): Promise<boolean> {
    return this.form.submit(async ({ code }) => {
      const { platform } = this.services.api;
      if (isEmail(this.contact())) await platform.verifyEmail(code.trim());
      else await platform.verifyPhone(code.trim());
      await then();
    });
  }

  async resend(): Promise<void> {
    try {
      await this.services.api.platform.resendVerification(this.contact());
      this.services.notices.say(text('accounts.resent'));
    } catch (error) {
      this.services.notices.warn(explain(error));
    }
  }
}
