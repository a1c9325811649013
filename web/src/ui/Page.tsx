import { type ReactNode, useEffect, useRef } from 'react';
import { useI18n } from '../i18n/react';
import styles from './Page.module.css';

interface Props {
  title: string;
  /** Shown instead of the title; a heading of level 1 still. */
  heading?: ReactNode;
  /** Beside the heading. */
  aside?: ReactNode;
  /** How much width the content wants. */
  size?: 'narrow' | 'normal' | 'wide';
  children: ReactNode;
}

/** Set by the first page: whoever opens the app begins at the top, as on every site. */
let arrived = false;

/**
 * The main part of a page. It names the tab, and takes the focus when one came here from another page of the app, so
 * that a screen reader says where one is.
 */
export function Page({ title, heading, aside, size = 'normal', children }: Props) {
  const { t } = useI18n();
  const main = useRef<HTMLElement>(null);
  const name = t('app.name');
  useEffect(() => {
    document.title = title === name ? name : `${title} · ${name}`;
  }, [title, name]);
  useEffect(() => {
    if (arrived) main.current?.focus();
    arrived = true;
  }, []);
  return (
    <main id="main" ref={main} tabIndex={-1} className={`${styles.page} ${styles[size]}`} aria-label={title}>
      <header className={styles.head}>
        <h1>{heading ?? title}</h1>
        {aside}
      </header>
      {children}
    </main>
  );
}
