import { expect, test, vi } from 'vitest';
import { ApiError } from '../api';
import { Registration } from './register';

const ann = { firstName: 'Ann', lastName: 'Lee', contact: 'ann@example.com', password: 'Secret123' };

function registration() {
  const services = {
    api: { platform: { verifyEmail: vi.fn(), verifyPhone: vi.fn(), resendVerification: vi.fn() } },
    session: { register: vi.fn(), logIn: vi.fn() },
    notices: { say: vi.fn(), warn: vi.fn() },
  };
  const model = new Registration(services);
  const fill = (person: Partial<typeof ann>) => {
    for (const [name, value] of Object.entries({ ...ann, ...person }))
      model.person.set(name as keyof typeof ann, value);
  };
  return { model, fill, ...services };
}

test('who registers is logged in', async () => {
  const { model, fill, session } = registration();
  fill({});
  await model.register();
  expect(session.register).toHaveBeenCalledWith(expect.objectContaining({ email: 'ann@example.com' }));
  expect(session.logIn).toHaveBeenCalledWith('ann@example.com', 'Secret123');
  expect(model.$step.get()).toBe('person');
});

test('a phone number is sent as E.164', async () => {
  const { model, fill, session } = registration();
  fill({ contact: '+49 (170) 123-4567' });
  await model.register();
  expect(session.register).toHaveBeenCalledWith(expect.objectContaining({ phone_number: '+491701234567' }));
});

test('nothing is sent that the rules forbid', async () => {
  const { model, fill, session } = registration();
  fill({ firstName: ' ', contact: 'ann', password: 'short' });
  await model.register();
  expect(session.register).not.toHaveBeenCalled();
  expect(Object.keys(model.person.$problems.get())).toEqual(['firstName', 'contact', 'password']);
  model.person.set('contact', 'ann@example.com');
  expect(model.person.$problems.get().contact).toBeUndefined();
});

test('a taken address is said at its field', async () => {
  const { model, fill, session } = registration();
  fill({});
  session.register.mockRejectedValue(new ApiError({ status: 409, code: 'CONFLICT', message: 'taken' }));
  await model.register();
  expect(model.person.$problems.get().contact?.key).toBe('error.taken');
  expect(model.person.$busy.get()).toBe(false);
});

test('where the server asks for verification, the code is the next step, and then one is logged in', async () => {
  const { model, fill, session, api } = registration();
  fill({});
  session.logIn.mockRejectedValueOnce(
    new ApiError({ status: 401, code: 'ACCOUNT_NOT_VERIFIED', message: 'Account not verified' }),
  );
  await model.register();
  expect(model.$step.get()).toBe('code');

  api.platform.verifyEmail.mockRejectedValueOnce(
    new ApiError({ status: 422, code: 'VALIDATION_ERROR', message: 'no' }),
  );
  model.verification.form.set('code', 'wrong');
  await model.verify();
  expect(model.verification.form.$problems.get().code?.key).toBe('accounts.codeWrong');

  model.verification.form.set('code', ' right ');
  await model.verify();
  expect(api.platform.verifyEmail).toHaveBeenLastCalledWith('right');
  expect(session.logIn).toHaveBeenCalledTimes(2);
});
