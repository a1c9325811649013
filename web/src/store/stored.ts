import { atom, type WritableAtom } from 'nanostores';

/** What of `Storage` is used; tests bring a `Map`. */
export type KeyValue = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** `reload` takes over what another tab has written, without waiting for the browser to say so. */
export type StoredAtom<T> = WritableAtom<T> & { reload(): void };

/**
 * An atom that is kept in the browser's storage, and follows what other tabs write.
 *
 * `parse` turns what was stored (by an older version, or by somebody's hand) into a value, or throws: then the
 * initial value counts. Where storage is closed to us the atom works for this page alone.
 */
export function stored<T>(
  key: string,
  initial: T,
  parse: (value: unknown) => T,
  storage: KeyValue | null = browserStorage(),
): StoredAtom<T> {
  const read = (): T => {
    try {
      const text = storage?.getItem(key) ?? null;
      return text === null ? initial : parse(JSON.parse(text));
    } catch {
      return initial;
    }
  };
  const $value = atom(read());
  let writing = true;
  $value.listen((value) => {
    if (!writing || !storage) return;
    try {
      if (value === initial) storage.removeItem(key);
      else storage.setItem(key, JSON.stringify(value));
    } catch {
      // Full, or private browsing.
    }
  });
  const reload = () => {
    if (!storage) return;
    writing = false;
    $value.set(read());
    writing = true;
  };
  globalThis.addEventListener?.('storage', (event) => {
    if (event.key === key || event.key === null) reload();
  });
  return Object.assign($value, { reload });
}

/** The browser's storage, or none where the browser keeps it from us. */
export function browserStorage(): KeyValue | null {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}
