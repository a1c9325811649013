import { Dialog as Base } from '@base-ui/react/dialog';
import type { ReactNode } from 'react';
import { useI18n } from '../i18n/react';
import { Button } from './Button';
import styles from './Dialog.module.css';
import { CloseIcon } from './icons';

interface Props {
  open: boolean;
  onClose: () => void;
  title: string;
  children: ReactNode;
  /** The buttons at the end. */
  actions?: ReactNode;
}

/** A window over the page that takes the focus, and gives it back. */
export function Dialog({ open, onClose, title, children, actions }: Props) {
  const { t } = useI18n();
  return (
    <Base.Root open={open} onOpenChange={(open) => open || onClose()}>
      <Base.Portal>
        <Base.Backdrop className={styles.backdrop} />
        <Base.Popup className={styles.popup}>
          <header className={styles.head}>
            <Base.Title className={styles.title}>{title}</Base.Title>
            <Base.Close render={<Button look="quiet" icon aria-label={t('app.close')} />}>
              <CloseIcon aria-hidden />
            </Base.Close>
          </header>
          <div className={styles.body}>{children}</div>
          {actions && <footer className={styles.actions}>{actions}</footer>}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
