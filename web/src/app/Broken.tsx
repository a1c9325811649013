import { Component, type ReactNode } from 'react';
import { useI18n } from '../i18n/react';
import { Button } from '../ui/Button';
import { Page } from '../ui/Page';

/** Catches what no page expected, and code that could not be loaded (a new version on the server, no network). */
export class Broken extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    return this.state.broken ? <Sorry /> : this.props.children;
  }
}

function Sorry() {
  const { t } = useI18n();
  return (
    <Page title={t('app.brokenTitle')} size="narrow">
      <p>{t('app.brokenText')}</p>
      <p>
        <Button look="primary" onClick={() => location.reload()}>
          {t('app.reload')}
        </Button>
      </p>
    </Page>
  );
}
