import { type ReactNode, type RefObject, useEffect, useRef } from 'react';
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

/** For the main part of a page: names the tab, and takes the focus when one came here from another page of the app. */
export function useArrival(title: string): RefObject<HTMLElement | null> {
  const name = useI18n().t('app.name');
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = title === name ? name : `${title} · ${name}`;
  }, [title, name]);
  useEffect(() => {
    if (arrived) main.current?.focus();
    arrived = true;
  }, []);
  return main;
}

/** The main part of a page with a heading; a screen reader says where one is. */
export function Page({ title, heading, aside, size = 'normal', children }: Props) {
  const main = useArrival(title);
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
