import { type ComponentProps, type ReactNode, useId, useState } from 'react';
import { useI18n } from '../i18n/react';
import { Button } from './Button';
import { HideIcon, ShowIcon, WarningIcon } from './icons';
import styles from './TextField.module.css';

interface FieldProps {
  label: string;
  /** Said below the control, until something is wrong. */
  hint?: ReactNode;
  /** What is wrong, in words; also read out when it appears. */
  problem?: string | undefined;
  className?: string | undefined;
}

type InputProps = Omit<ComponentProps<'input'>, 'onChange' | 'value' | 'className'> &
  FieldProps & { value: string; onChange: (value: string) => void; end?: ReactNode };

/** A labelled line of text. */
export function TextField({ label, hint, problem, value, onChange, end, className, ...rest }: InputProps) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint} problem={problem} className={className}>
      <div className={styles.box} data-problem={Boolean(problem)}>
        <input
          {...rest}
          id={id}
          className={styles.input}
          value={value}
          onChange={(event) => onChange(event.target.value)}
          aria-invalid={Boolean(problem) || undefined}
          aria-describedby={describedBy(id, hint, problem)}
        />
        {end}
      </div>
    </Frame>
  );
}

/** A password, which can be shown, pasted, and filled in by the browser. */
export function PasswordField(props: Omit<InputProps, 'type' | 'end'>) {
  const { t } = useI18n();
  const [shown, setShown] = useState(false);
  const toggle = (
    <Button
      look="quiet"
      icon
      aria-label={t('accounts.showPassword')}
      aria-pressed={shown}
      onClick={() => setShown(!shown)}
    >
      {shown ? <HideIcon aria-hidden /> : <ShowIcon aria-hidden />}
    </Button>
  );
  return (
    <TextField {...props} type={shown ? 'text' : 'password'} dir="ltr" spellCheck={false} end={toggle} />
  );
}

type AreaProps = Omit<ComponentProps<'textarea'>, 'onChange' | 'value' | 'className'> &
  FieldProps & { value: string; onChange: (value: string) => void };

/** A labelled text of some lines. */
export function TextArea({ label, hint, problem, value, onChange, className, ...rest }: AreaProps) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint} problem={problem} className={className}>
      <div className={styles.box} data-problem={Boolean(problem)}>
        <textarea
          rows={3}
          {...rest}
          id={id}
          className={styles.input}
          value={value}
          onChange={(event) => onChange(event.target.value)}
          aria-invalid={Boolean(problem) || undefined}
          aria-describedby={describedBy(id, hint, problem)}
        />
      </div>
    </Frame>
  );
}

type ChoiceProps = Omit<ComponentProps<'select'>, 'onChange' | 'value' | 'className'> &
  FieldProps & {
    value: string;
    onChange: (value: string) => void;
    options: readonly (readonly [string, string])[];
  };

/** A labelled choice of one; the browser's own list, which works with every phone and screen reader. */
export function Choice({ label, hint, problem, value, onChange, options, className, ...rest }: ChoiceProps) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint} problem={problem} className={className}>
      <div className={styles.box} data-problem={Boolean(problem)}>
        <select
          {...rest}
          id={id}
          className={styles.input}
          value={value}
          onChange={(event) => onChange(event.target.value)}
          aria-describedby={describedBy(id, hint, problem)}
        >
          {options.map(([key, name]) => (
            <option key={key} value={key}>
              {name}
            </option>
          ))}
        </select>
      </div>
    </Frame>
  );
}

function Frame({
  id,
  label,
  hint,
  problem,
  className,
  children,
}: FieldProps & { id: string; children: ReactNode }) {
  return (
    <div className={`${styles.field} ${className ?? ''}`}>
      <label className={styles.label} htmlFor={id}>
        {label}
      </label>
      {children}
      {hint && !problem && (
        <p className={styles.hint} id={`${id}-hint`}>
          {hint}
        </p>
      )}
      <p className={styles.problem} id={`${id}-problem`} aria-live="polite">
        {problem && (
          <>
            <WarningIcon size={14} aria-hidden />
            {problem}
          </>
        )}
      </p>
    </div>
  );
}

function describedBy(id: string, hint: ReactNode, problem: string | undefined): string | undefined {
  return problem ? `${id}-problem` : hint ? `${id}-hint` : undefined;
}
