import { useId, useState } from 'react';
import { navigate } from 'wouter/use-browser-location';
import { useI18n } from '../i18n/react';
import { Button } from '../ui/Button';
import { TextField } from '../ui/TextField';
import { meetingCode } from './codes';
import styles from './JoinByCode.module.css';

/** A code or link that somebody got, and the way in. */
export function JoinByCode() {
  const { t } = useI18n();
  const [text, setText] = useState('');
  const [wrong, setWrong] = useState(false);
  const id = useId();
  const join = () => {
    const code = meetingCode(text);
    setWrong(!code);
    if (code) navigate(`/meeting/${code}`);
  };
  return (
    <form className={styles.join} action={join} aria-labelledby={id} noValidate>
      <h2 id={id} className={styles.title}>
        {t('home.joinTitle')}
      </h2>
      <div className={styles.line}>
        <TextField
          label={t('home.joinCode')}
          className={styles.field}
          placeholder="123-456-789"
          dir="ltr"
          autoComplete="off"
          value={text}
          onChange={(text) => {
            setText(text);
            setWrong(false);
          }}
          problem={wrong ? t('home.joinCodeWrong') : undefined}
        />
        <Button type="submit" className={styles.go}>
          {t('home.join')}
        </Button>
      </div>
    </form>
  );
}
