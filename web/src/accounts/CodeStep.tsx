import { useStore } from '@nanostores/react';
import { useI18n } from '../i18n/react';
import { Button } from '../ui/Button';
import { Failure } from '../ui/Failure';
import { Page } from '../ui/Page';
import { TextField } from '../ui/TextField';
import styles from './accounts.module.css';
import type { Registration } from './register';
import type { Verification } from './verification';

/** The code that was sent to the new account's address. */
export function CodeStep({ model }: { model: Registration }) {
  const { t } = useI18n();
  return (
    <Page title={t('accounts.verifyTitle')} size="narrow">
      <CodeForm
        verification={model.verification}
        address={useStore(model.person.$fields).contact}
        onSubmit={() => void model.verify()}
      />
    </Page>
  );
}

interface Props {
  verification: Verification;
  address: string;
  onSubmit: () => void;
}

/** The field for a code, and the way to another one. */
export function CodeForm({ verification, address, onSubmit }: Props) {
  const { t, say } = useI18n();
  const { form } = verification;
  const problem = useStore(form.$problems).code;
  return (
    <form className={styles.form} action={onSubmit} noValidate>
      <p>{t('accounts.verifyText', { address })}</p>
      <TextField
        label={t('accounts.code')}
        autoComplete="one-time-code"
        dir="ltr"
        autoFocus
        value={useStore(form.$fields).code}
        onChange={(code) => form.set('code', code)}
        problem={problem && say(problem)}
      />
      <Failure text={useStore(form.$failure)} />
      <Button type="submit" look="primary" wide busy={useStore(form.$busy)}>
        {t('accounts.verify')}
      </Button>
      <Button look="quiet" wide onClick={() => void verification.resend()}>
        {t('accounts.resend')}
      </Button>
    </form>
  );
}
