import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { AppearanceMenu } from '../../app/AppearanceMenu';
import { useI18n } from '../../i18n/react';
import { Logo } from '../../ui/Logo';
import styles from './Frame.module.css';

/** Around what comes before and after a meeting: the way home, colours and language. */
export function Frame({ children }: { children: ReactNode }) {
  const { t } = useI18n();
  return (
    <div className={styles.frame}>
      <header className={styles.bar}>
        <Link href="/" className={styles.brand}>
          <Logo size={28} />
          <span>{t('app.name')}</span>
        </Link>
        <AppearanceMenu />
      </header>
      {children}
    </div>
  );
}
