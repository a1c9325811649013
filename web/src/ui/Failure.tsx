import type { Text } from '../i18n/i18n';
import { useI18n } from '../i18n/react';
import { Button } from './Button';
import styles from './Failure.module.css';
import { WarningIcon } from './icons';

/** What went wrong, read out when it appears, and another try where there can be one. */
export function Failure({ text, onRetry }: { text: Text | null; onRetry?: () => void }) {
  const { t, say } = useI18n();
  return (
    <div role="alert">
      {text && (
        <div className={styles.failure}>
          <WarningIcon size={18} aria-hidden />
          <p>{say(text)}</p>
          {onRetry && <Button onClick={onRetry}>{t('app.retry')}</Button>}
        </div>
      )}
    </div>
  );
}
