import { navigate } from 'wouter/use-browser-location';
import type { Profile } from '../api/platform';
import { explain } from '../i18n/explain';
import { useI18n } from '../i18n/react';
import { Avatar } from '../ui/Avatar';
import { Button } from '../ui/Button';
import { LogOutIcon, SettingsIcon } from '../ui/icons';
import { Menu, MenuItem, MenuLine } from '../ui/Menu';
import { LanguageChoice, ThemeChoice } from './AppearanceMenu';
import { useServices } from './services';

/** The person's own menu, behind their picture. */
export function AccountMenu({ profile }: { profile: Profile }) {
  const { t } = useI18n();
  const { session, notices } = useServices();
  const logOut = async () => {
    try {
      await session.logOut();
    } catch (error) {
      notices.warn(explain(error));
    }
    navigate('/');
  };
  return (
    <Menu
      trigger={
        <Button look="quiet" icon aria-label={t('app.account', { name: profile.display_name })}>
          <Avatar name={profile.display_name} size={32} />
        </Button>
      }
    >
      <MenuItem icon={<SettingsIcon aria-hidden />} onClick={() => navigate('/settings')}>
        {t('app.settings')}
      </MenuItem>
      <MenuLine />
      <ThemeChoice />
      <LanguageChoice />
      <MenuLine />
      <MenuItem icon={<LogOutIcon aria-hidden />} onClick={() => void logOut()}>
        {t('app.logOut')}
      </MenuItem>
    </Menu>
  );
}
