import { stored } from '../store/stored';

/** `system` follows the device. */
export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

/** The chosen colours; public/boot.js reads the same key before the first paint. */
export const $theme = stored<Theme>('convo.theme', 'system', (value) => {
  const theme = THEMES.find((theme) => theme === value);
  if (!theme) throw new TypeError('not a theme');
  return theme;
});

/** Keeps the document in the chosen colours from now on. */
export function applyTheme(root: HTMLElement): () => void {
  return $theme.subscribe((theme) => {
    if (theme === 'system') delete root.dataset.theme;
    else root.dataset.theme = theme;
  });
}
