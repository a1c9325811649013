import { expect, test, vi } from 'vitest';
import { ApiError } from '../api';
import type { Profile } from '../api/platform';
import { AccountEnd, PasswordChange } from './credentials';

function account() {
  const logIn = vi.fn(async () => ({ access: '', refresh: '', expiresAt: 0 }));
  const updateSelf = vi.fn(async () => ({}));
  const deleteAccount = vi.fn(async () => {});
  const profile = { id: 'ann', email: null, phone_number: '+491701234567' } as Profile;
  const services = {
    api: { platform: { logIn }, chatrooms: { updateSelf } },
    session: { profile, deleteAccount },
    notices: { say: vi.fn() },
  };
  const wrong = () =>
    logIn.mockRejectedValueOnce(new ApiError({ status: 401, code: 'INVALID_CREDENTIALS', message: '' }));
  return { services, logIn, updateSelf, deleteAccount, wrong };
}

test('a password is changed by one who knows the old one', async () => {
  const { services, logIn, updateSelf } = account();
  const model = new PasswordChange(services);
  model.form.set('current', 'Secure123');
  model.form.set('next', 'Better456');
  await model.submit();
  expect(logIn).toHaveBeenCalledWith('+491701234567', 'Secure123');
  expect(updateSelf).toHaveBeenCalledWith('ann', { password: 'Better456' });
  expect(model.form.$fields.get()).toEqual({ current: '', next: '' });
});

test('not by another, and not to a weak one', async () => {
  const { services, updateSelf, wrong } = account();
  const model = new PasswordChange(services);
  model.form.set('current', 'guess');
  model.form.set('next', 'weak');
  await model.submit();
  expect(model.form.$problems.get().next?.key).toBe('accounts.passwordWeak');
  wrong();
  model.form.set('next', 'Better456');
  await model.submit();
  expect(model.form.$problems.get().current?.key).toBe('settings.passwordWrong');
  expect(updateSelf).not.toHaveBeenCalled();
});

test('an account is deleted by one who knows its password', async () => {
  const { services, deleteAccount, wrong } = account();
  const model = new AccountEnd(services);
  model.form.set('password', 'guess');
  wrong();
  await model.submit();
  expect(deleteAccount).not.toHaveBeenCalled();
  await model.submit();
  expect(deleteAccount).toHaveBeenCalledTimes(1);
});
