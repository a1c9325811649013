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
import { Registration } from './register';

export default function RegisterPage() {
  const model = useModel((services) => new Registration(services));
  return useStore(model.$step) === 'person' ? <PersonStep model={model} /> : <CodeStep model={model} />;
}

function PersonStep({ model }: { model: Registration }) {
  const { t, say } = useI18n();
  const { person } = model;
  const fields = useStore(person.$fields);
  const problems = useStore(person.$problems);
  const search = useSearch();
  const bind = (name: keyof typeof fields) => ({
    value: fields[name],
    onChange: (value: string) => person.set(name, value),
    problem: problems[name] && say(problems[name]),
  });
  return (
    <Page title={t('app.signUp')} size="narrow">
      <form className={styles.form} action={() => void model.register()} noValidate>
        <div className={styles.pair}>
          <TextField
            label={t('accounts.firstName')}
            autoComplete="given-name"
            autoFocus
            {...bind('firstName')}
          />
          <TextField label={t('accounts.lastName')} autoComplete="family-name" {...bind('lastName')} />
        </div>
        <TextField
          label={t('accounts.emailOrPhone')}
          autoComplete="username"
          dir="auto"
          {...bind('contact')}
        />
        <PasswordField
          label={t('accounts.password')}
          hint={t('accounts.passwordRule')}
          autoComplete="new-password"
          {...bind('password')}
        />
        <Failure text={useStore(person.$failure)} />
        <Button type="submit" look="primary" wide busy={useStore(person.$busy)}>
          {t('app.signUp')}
        </Button>
      </form>
      <p className={styles.other}>
        {t('accounts.haveAccount')} <Link href={`/login${search && `?${search}`}`}>{t('app.logIn')}</Link>
      </p>
    </Page>
  );
}
