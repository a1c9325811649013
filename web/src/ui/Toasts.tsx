import { Toast } from '@base-ui/react/toast';
import { useI18n } from '../i18n/react';
import { CloseIcon } from './icons';
import type { Notices } from './notices';
import styles from './Toasts.module.css';

export function Toasts({ notices }: { notices: Notices }) {
  return (
    <Toast.Provider toastManager={notices.manager} limit={3}>
      <Toast.Portal>
        <List />
      </Toast.Portal>
    </Toast.Provider>
  );
}

function List() {
  const { t, say } = useI18n();
  const { toasts } = Toast.useToastManager<{ text: Parameters<typeof say>[0] }>();
  return (
    <Toast.Viewport className={styles.viewport} aria-label={t('app.notifications')}>
      {toasts.map((toast) => (
        <Toast.Root key={toast.id} toast={toast} className={styles.toast} data-type={toast.type}>
          <Toast.Description>{toast.data && say(toast.data.text)}</Toast.Description>
          <Toast.Close className={styles.close} aria-label={t('app.close')}>
            <CloseIcon size={16} aria-hidden />
          </Toast.Close>
        </Toast.Root>
      ))}
    </Toast.Viewport>
  );
}
