import { useStore } from '@nanostores/react';
import { useI18n } from '../i18n/react';
import { Button } from '../ui/Button';
import { Failure } from '../ui/Failure';
import { Page } from '../ui/Page';
import { TextField } from '../ui/TextField';
import styles from './accounts.module.css';
import type { Registration } from './register';

/** The code that was sent to the new account's address. */
export function CodeStep({ model }: { model: Registration }) {
  const { t, say } = useI18n();
  const { verification } = model;
  const problem = useStore(verification.$problems).code;
  return (
    <Page title={t('accounts.verifyTitle')} size="narrow">
      <form className={styles.form} action={() => void model.verify()} noValidate>
        <p>{t('accounts.verifyText', { address: useStore(model.person.$fields).contact })}</p>
        <TextField
          label={t('accounts.code')}
          autoComplete="one-time-code"
          dir="ltr"
          autoFocus
          value={useStore(verification.$fields).code}
          onChange={(code) => verification.set('code', code)}
          problem={problem && say(problem)}
        />
        <Failure text={useStore(verification.$failure)} />
        <Button type="submit" look="primary" wide busy={useStore(verification.$busy)}>
          {t('accounts.verify')}
        </Button>
        <Button look="quiet" wide onClick={() => void model.resend()}>
          {t('accounts.resend')}
        </Button>
      </form>
    </Page>
  );
}
