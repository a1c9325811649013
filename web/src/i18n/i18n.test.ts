import { expect, test } from 'vitest';
import { preferred, Translator, text } from './i18n';
import { catalog as ar } from './messages/ar';
import { catalog as en } from './messages/en';

test('a message is filled in', () => {
  const { t } = new Translator('en', en);
  expect(t('home.morning', { name: 'Ann' })).toBe('Good morning, Ann');
});

test('a count chooses the plural form of the language and is written as it writes numbers', () => {
  expect(new Translator('en', en).t('home.inside', { count: 1 })).toBe('1 person inside');
  expect(new Translator('en', en).t('home.inside', { count: 1200 })).toBe('1,200 people inside');
  expect(new Translator('ar', ar).t('home.inside', { count: 2 })).toBe('شخصان في الداخل');
});

test('what a view model says is worded later', () => {
  expect(new Translator('en', en).say(text('home.joinNamed', { title: 'Retro' }))).toBe('Join Retro');
});

test('the first of the browser’s languages that the app speaks', () => {
  expect(preferred(['fr-FR', 'de-AT', 'en'])).toBe('de');
  expect(preferred(['zh-Hans-CN'])).toBe('zh');
  expect(preferred(['fr'])).toBe('en');
});

test('wrong names and missing values do not compile', () => {
  const { t } = new Translator('en', en);
  // @ts-expect-error there is no such message
  t('home.nonsense');
  // @ts-expect-error the name is missing
  t('home.morning');
  // @ts-expect-error the count must be a number
  t('home.inside', { count: 'many' });
  // @ts-expect-error nothing to fill in
  t('home.title', { name: 'Ann' });
});
