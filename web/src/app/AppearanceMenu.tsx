import { useStore } from '@nanostores/react';
import { LOCALES, type Locale } from '../i18n/i18n';
import { useI18n } from '../i18n/react';
import { $theme } from '../theme/theme';
import { Button } from '../ui/Button';
import { LanguageIcon, ThemeIcon } from '../ui/icons';
import { Menu, MenuChoice, MenuLine } from '../ui/Menu';
import { useServices } from './services';

/** Colours and language, for whoever is not logged in. */
export function AppearanceMenu() {
  const { t } = useI18n();
  return (
    <Menu
      trigger={
        <Button look="quiet" icon aria-label={`${t('app.theme')}, ${t('app.language')}`}>
          <LanguageIcon aria-hidden />
        </Button>
      }
    >
      <ThemeChoice />
      <MenuLine />
      <LanguageChoice />
    </Menu>
  );
}

export function ThemeChoice() {
  const { t } = useI18n();
  return (
    <MenuChoice
      label={t('app.theme')}
      icon={<ThemeIcon aria-hidden />}
      value={useStore($theme)}
      options={[
        ['system', t('app.themeSystem')],
        ['light', t('app.themeLight')],
        ['dark', t('app.themeDark')],
      ]}
      onChange={(theme) => $theme.set(theme)}
    />
  );
}

export function LanguageChoice() {
  const { t } = useI18n();
  const { i18n } = useServices();
  const languages = Object.entries(LOCALES) as [Locale, string][];
  return (
    <MenuChoice<Locale | 'system'>
      label={t('app.language')}
      icon={<LanguageIcon aria-hidden />}
      value={useStore(i18n.$choice) ?? 'system'}
      options={[['system', t('app.languageSystem')], ...languages]}
      onChange={(choice) => i18n.$choice.set(choice === 'system' ? null : choice)}
    />
  );
}
