import { atom } from 'nanostores';
import { expect, test, vi } from 'vitest';
import type { Profile } from '../api/platform';
import type { Locale, Translator } from '../i18n/i18n';
import type { SessionState } from '../session/session';
import { Settling } from './settle';

function device(profile: Partial<Profile>, { locale = 'de' as Locale, choice = null as Locale | null } = {}) {
  const shelf = new Map<string, string>();
  const storage = {
    getItem: (key: string) => shelf.get(key) ?? null,
    setItem: (key: string, value: string) => void shelf.set(key, value),
    removeItem: (key: string) => void shelf.delete(key),
  };
  const state = atom<SessionState>({ status: 'nobody' });
  const update = vi.fn(async () => {});
  const $choice = Object.assign(atom<Locale | null>(choice), { reload() {} });
  const i18n = { $choice, translator: atom<Translator | null>({ locale } as Translator) };
  const logIn = () => state.set({ status: 'person', profile: { id: 'ann', ...profile } as Profile });
  const open = () => new Settling({ session: { state, update }, i18n }, storage, () => 'Europe/Berlin');
  open();
  return { logIn, update, $choice, open };
}

test('a profile in which nobody chose anything takes the browser’s zone and language, once', () => {
  const { logIn, update, open } = device({ timezone: 'UTC', preferred_language: 'en' });
  logIn();
  expect(update).toHaveBeenCalledWith({ timezone: 'Europe/Berlin', preferred_language: 'de' });
  open();
  logIn();
  expect(update).toHaveBeenCalledTimes(1);
});

test('a profile that speaks another language lends it to the device', () => {
  const { logIn, update, $choice } = device({ timezone: 'Asia/Shanghai', preferred_language: 'zh-CN' });
  logIn();
  expect(update).not.toHaveBeenCalled();
  expect($choice.get()).toBe('zh');
});

test('but not where a language was chosen on the device, nor one that the app does not speak', () => {
  const chosen = device({ timezone: 'Asia/Shanghai', preferred_language: 'zh' }, { choice: 'en' });
  chosen.logIn();
  expect(chosen.$choice.get()).toBe('en');
  const unknown = device({ timezone: 'Asia/Tokyo', preferred_language: 'ja' });
  unknown.logIn();
  expect(unknown.$choice.get()).toBeNull();
});
