import { useStore } from '@nanostores/react';
import { Link, useSearch } from 'wouter';
import { useModel } from '../app/services';
import { useI18n } from '../i18n/react';
import { Button } from '../ui/Button';
import { Failure } from '../ui/Failure';
import { Page } from '../ui/Page';
import { PasswordField, TextField } from '../ui/TextField';
import styles from './accounts.module.css';
import { CodeStep } from './CodeStep';
import { LogIn } from './login';

export default function LogInPage() {
  const model = useModel((services) => new LogIn(services));
  const unverified = useStore(model.$unverified);
  return unverified ? <CodeStep model={unverified} /> : <Credentials model={model} />;
}

function Credentials({ model }: { model: LogIn }) {
  const { t, say } = useI18n();
  const { form } = model;
  const fields = useStore(form.$fields);
  const problems = useStore(form.$problems);
  const search = useSearch();
  const bind = (name: keyof typeof fields) => ({
    value: fields[name],
    onChange: (value: string) => form.set(name, value),
    problem: problems[name] && say(problems[name]),
  });
  return (
    <Page title={t('accounts.logInTitle')} size="narrow">
      <form className={styles.form} action={() => void model.submit()} noValidate>
        <TextField
          label={t('accounts.emailOrPhone')}
          autoComplete="username"
          dir="auto"
          autoFocus
          {...bind('contact')}
        />
        <PasswordField label={t('accounts.password')} autoComplete="current-password" {...bind('password')} />
        <Failure text={useStore(form.$failure)} />
        <Button type="submit" look="primary" wide busy={useStore(form.$busy)}>
          {t('app.logIn')}
        </Button>
      </form>
      <p className={styles.other}>
        {t('accounts.noAccount')} <Link href={`/register${search && `?${search}`}`}>{t('app.signUp')}</Link>
      </p>
    </Page>
  );
}
