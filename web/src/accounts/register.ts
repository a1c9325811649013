import { atom, type ReadableAtom } from 'nanostores';
import { ApiError } from '../api';
import { explain } from '../i18n/explain';
import { text } from '../i18n/i18n';
import type { Session } from '../session/session';
import { Form, type Problems } from '../store/form';
import { isEmail, isPhone, isStrong, plainPhone } from './rules';
import { Verification, type VerificationServices } from './verification';

export interface Person {
  firstName: string;
  lastName: string;
  /** E-mail or phone number. */
  contact: string;
  password: string;
}

type Services = VerificationServices & { session: Pick<Session, 'register' | 'logIn'> };

/** From nobody to somebody logged in: who they are, then the code that was sent to them, if the server asks for it. */
export class Registration {
  readonly person = new Form<Person>({
    initial: { firstName: '', lastName: '', contact: '', password: '' },
    check: checkPerson,
    refused: refusedPerson,
  });
  readonly verification: Verification;
  private readonly step = atom<'person' | 'code'>('person');

  constructor(private readonly services: Services) {
    this.verification = new Verification(services, () => this.contact);
  }

  /** For an account that registered before, and logged in with this password just now. */
  static ofUnverified(services: Services, contact: string, password: string): Registration {
    const registration = new Registration(services);
    registration.person.set('contact', contact);
    registration.person.set('password', password);
    registration.step.set('code');
    return registration;
  }

  get $step(): ReadableAtom<'person' | 'code'> {
    return this.step;
  }

  async register(): Promise<void> {
    await this.person.submit(async ({ firstName, lastName, contact, password }) => {
      const address = isEmail(contact) ? { email: contact.trim() } : { phone_number: plainPhone(contact) };
      const name = { first_name: firstName.trim(), last_name: lastName.trim() };
      await this.services.session.register({ ...name, ...address, password, confirm_password: password });
      await this.logIn();
    });
  }

  async verify(): Promise<void> {
    await this.verification.verify(() => this.logIn());
  }

  /** Where the server asks for verification first, the code is the next step. */
  private async logIn(): Promise<void> {
    try {
      await this.services.session.logIn(this.contact, this.person.$fields.get().password);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'ACCOUNT_NOT_VERIFIED') throw error;
      this.step.set('code');
    }
  }

  /** The address that is registered. */
  get contact(): string {
    const { contact } = this.person.$fields.get();
    return isEmail(contact) ? contact.trim() : plainPhone(contact);
  }
}

function checkPerson({ firstName, lastName, contact, password }: Person): Problems<Person> {
  const problems: Problems<Person> = {};
  if (!firstName.trim()) problems.firstName = text('accounts.required');
  if (!lastName.trim()) problems.lastName = text('accounts.required');
  if (!isEmail(contact) && !isPhone(contact)) problems.contact = text('accounts.contactShape');
  if (!isStrong(password)) problems.password = text('accounts.passwordWeak');
  return problems;
}

const FIELDS: Record<string, keyof Person> = {
  first_name: 'firstName',
  last_name: 'lastName',
  email: 'contact',
  phone_number: 'contact',
  password: 'password',
};

function refusedPerson(error: ApiError): Problems<Person> | null {
  if (error.code === 'CONFLICT') return { contact: text('error.taken') };
  const field = error.field === null ? undefined : FIELDS[error.field];
  return field ? { [field]: explain(error) } : null;
}
