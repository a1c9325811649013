import { type ReactNode, useEffect, useRef } from 'react';
import { useI18n } from '../../i18n/react';
import { Button } from '../../ui/Button';
import { CloseIcon } from '../../ui/icons';
import styles from './PanelFrame.module.css';

interface Props {
  title: string;
  onClose: () => void;
  /** Gets the focus instead of the heading. */
  focus?: React.RefObject<HTMLElement | null>;
  children: ReactNode;
}

/** Beside the stage, or over it on a phone. It takes the focus, and gives it back. */
export function PanelFrame({ title, onClose, focus, children }: Props) {
  const { t } = useI18n();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    (focus?.current ?? heading.current)?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [focus]);
  return (
    <aside
      className={styles.panel}
      aria-label={title}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && !event.defaultPrevented) onClose();
      }}
    >
      <header className={styles.head}>
        <h2 ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <Button look="quiet" icon aria-label={t('app.close')} onClick={onClose}>
          <CloseIcon aria-hidden />
        </Button>
      </header>
      {children}
    </aside>
  );
}
