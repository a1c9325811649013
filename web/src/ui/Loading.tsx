import { useI18n } from '../i18n/react';
import styles from './Loading.module.css';

/** Something is on its way. It appears only when it takes a while. */
export function Loading() {
  const { t } = useI18n();
  return (
    <div className={styles.loading} role="status">
      <span className={styles.ring} aria-hidden />
      <span className={styles.words}>{t('app.loading')}</span>
    </div>
  );
}
