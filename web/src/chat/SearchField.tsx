import { SearchIcon } from '../ui/icons';
import styles from './SearchField.module.css';

interface Props {
  label: string;
  value: string;
  onChange: (value: string) => void;
  autoFocus?: boolean;
}

/** A field that narrows a list down; its name stands in it until something is typed. */
export function SearchField({ label, value, onChange, autoFocus }: Props) {
  return (
    <div className={styles.box}>
      <SearchIcon size={16} aria-hidden />
      <input
        type="search"
        className={styles.input}
        aria-label={label}
        placeholder={label}
        // Of an empty field it would turn what stands in it.
        dir={value ? 'auto' : undefined}
        autoComplete="off"
        // biome-ignore lint/a11y/noAutofocus: in a dialog that was opened to search
        autoFocus={autoFocus}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </div>
  );
}
