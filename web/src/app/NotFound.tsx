import { useI18n } from '../i18n/react';
import { LinkButton } from '../ui/Button';
import { Page } from '../ui/Page';

export function NotFound() {
  const { t } = useI18n();
  return (
    <Page title={t('app.notFoundTitle')} size="narrow">
      <p>{t('app.notFoundText')}</p>
      <br />
      <LinkButton href="/">{t('app.goHome')}</LinkButton>
    </Page>
  );
}
