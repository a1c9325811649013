import { useEffect } from 'react';
import { JoinByCode } from '../home/JoinByCode';
import { useI18n } from '../i18n/react';
import { LinkButton } from '../ui/Button';
import styles from './accounts.module.css';

/** What somebody sees who is not logged in. */
export default function WelcomePage() {
  const { t } = useI18n();
  const name = t('app.name');
  useEffect(() => {
    document.title = name;
  }, [name]);
  return (
    <main id="main" tabIndex={-1} className={styles.hero}>
      <div className={styles.words}>
        <h1>{t('accounts.welcomeTitle')}</h1>
        <p>{t('accounts.welcomeText')}</p>
      </div>
      <div className={styles.ways}>
        <LinkButton look="primary" href="/register">
          {t('app.signUp')}
        </LinkButton>
        <LinkButton href="/login">{t('app.logIn')}</LinkButton>
      </div>
      <JoinByCode />
    </main>
  );
}
