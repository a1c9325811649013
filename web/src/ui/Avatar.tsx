import type { CSSProperties } from 'react';
import styles from './Avatar.module.css';

/** A person as a circle: initials on a colour that is theirs. Decoration; the name stands beside it or in a label. */
export function Avatar({ name, size = 36 }: { name: string; size?: number }) {
  const style = { inlineSize: size, blockSize: size, fontSize: size * 0.4, '--hue': hue(name) };
  // The letters are no text of the page: they would be part of the name of the button around them.
  return (
    <span
      aria-hidden
      className={styles.avatar}
      style={style as CSSProperties}
      data-initials={initials(name)}
    />
  );
}

/** One or two letters; of names without spaces the first. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters
    .map((word) => [...(word ?? '')][0] ?? '')
    .join('')
    .toUpperCase();
}

/** The same for the same name; FNV-1a and the golden angle put names that are alike far apart on the circle. */
function hue(name: string): number {
  let hash = 0x811c9dc5;
  for (const letter of name) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return Math.round(hash * 137.508) % 360;
}
