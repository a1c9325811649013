import { useStore } from '@nanostores/react';
import { createContext, type ReactNode, useContext, useEffect } from 'react';
import type { I18n, Translator } from './i18n';

const Context = createContext<Translator | null>(null);

/** Gives the language in force to everything inside, and to the document. Nothing is shown before the first is there. */
export function I18nProvider({ i18n, children }: { i18n: I18n; children: ReactNode }) {
  const translator = useStore(i18n.translator);
  useEffect(() => {
    if (!translator) return;
    document.documentElement.lang = translator.locale;
    document.documentElement.dir = translator.dir;
  }, [translator]);
  return translator && <Context value={translator}>{children}</Context>;
}

/** The language in force: `const { t, time } = useI18n()`. */
export function useI18n(): Translator {
  const translator = useContext(Context);
  if (!translator) throw new Error('useI18n outside of I18nProvider');
  return translator;
}
