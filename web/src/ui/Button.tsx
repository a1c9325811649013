import type { ComponentProps } from 'react';
import { Link } from 'wouter';
import styles from './Button.module.css';

export type ButtonLook = 'primary' | 'plain' | 'quiet' | 'danger';

interface Look {
  look?: ButtonLook;
  /** Only an icon: say what it does in `aria-label`. */
  icon?: boolean;
  wide?: boolean;
}

type ButtonProps = ComponentProps<'button'> & Look & { busy?: boolean };

/** A button; while `busy` it stays focusable and does nothing. */
export function Button({ look = 'plain', icon, wide, busy, className, onClick, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={classes(look, icon, wide, className)}
      aria-busy={busy || undefined}
      aria-disabled={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
    />
  );
}

/** A link within the app that looks like a button. */
export function LinkButton({
  look = 'plain',
  icon,
  wide,
  className,
  ...rest
}: ComponentProps<'a'> & Look & { href: string }) {
  return <Link {...rest} className={classes(look, icon, wide, className)} />;
}

function classes(look: ButtonLook, icon = false, wide = false, more = ''): string {
  return [styles.button, styles[look], icon && styles.icon, wide && styles.wide, more]
    .filter(Boolean)
    .join(' ');
}
