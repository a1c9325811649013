import { atom, type ReadableAtom } from 'nanostores';
import { ApiError } from '../api';
import { text } from '../i18n/i18n';
import { Form, type Problems } from '../store/form';
import { Registration } from './register';

interface Credentials {
  contact: string;
  password: string;
}

/** Logging in; an account that was never verified goes on to the code. */
export class LogIn {
  readonly form = new Form<Credentials>({ initial: { contact: '', password: '' }, check: checkCredentials });
  private readonly unverified = atom<Registration | null>(null);

  constructor(private readonly services: ConstructorParameters<typeof Registration>[0]) {}

  /** The step of the code, where the server asks for it. */
  get $unverified(): ReadableAtom<Registration | null> {
    return this.unverified;
  }

  async submit(): Promise<void> {
    await this.form.submit(async ({ contact, password }) => {
      try {
        await this.services.session.logIn(contact.trim(), password);
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 'ACCOUNT_NOT_VERIFIED') throw error;
        this.unverified.set(Registration.ofUnverified(this.services, contact, password));
      }
    });
  }
}

function checkCredentials({ contact, password }: Credentials): Problems<Credentials> {
  const problems: Problems<Credentials> = {};
  if (!contact.trim()) problems.contact = text('accounts.required');
  if (!password) problems.password = text('accounts.required');
  return problems;
}
