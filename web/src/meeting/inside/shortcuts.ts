import type { Key } from '../../i18n/i18n';
import { stored } from '../../store/stored';

export type ShortcutName =
  | 'microphone'
  | 'camera'
  | 'screen'
  | 'hand'
  | 'chat'
  | 'people'
  | 'layout'
  | 'pip'
  | 'previous'
  | 'next'
  | 'help';

/** One key each, as other meeting apps have them; `?` lists them. */
export const SHORTCUTS: readonly { name: ShortcutName; key: string; label: Key }[] = [
  { name: 'microphone', key: 'm', label: 'meeting.keyMicrophone' },
  { name: 'camera', key: 'v', label: 'meeting.keyCamera' },
  { name: 'screen', key: 's', label: 'meeting.keyScreen' },
  { name: 'hand', key: 'h', label: 'meeting.keyHand' },
  { name: 'chat', key: 'c', label: 'meeting.keyChat' },
  { name: 'people', key: 'p', label: 'meeting.keyPeople' },
  { name: 'layout', key: 'l', label: 'meeting.keyLayout' },
  { name: 'pip', key: 'i', label: 'meeting.keyPip' },
  { name: 'previous', key: ',', label: 'meeting.keyPrevious' },
  { name: 'next', key: '.', label: 'meeting.keyNext' },
  { name: 'help', key: '?', label: 'meeting.keyHelp' },
];

/** Single keys can be turned off (WCAG 2.1.4): who dictates would press them by talking. */
export const $shortcutsOn = stored('convo.shortcuts', true, (value) => value !== false);

/** What of a key press counts. */
export interface Press {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  repeat: boolean;
  target: unknown;
}

/** Which shortcut a key press is; `null`: none, or it is for a field, a list or a window that has the focus. */
export function shortcutOf(press: Press): ShortcutName | null {
  if (press.ctrlKey || press.metaKey || press.altKey || press.repeat || takesKeys(press.target)) return null;
  const key = press.key.toLowerCase();
  return SHORTCUTS.find((shortcut) => shortcut.key === key)?.name ?? null;
}

/** The space bar held down opens a muted microphone; where it would press a button, it presses it. */
export function isPushToTalk(press: Press & { code: string }): boolean {
  if (press.code !== 'Space' || press.ctrlKey || press.metaKey || press.altKey) return false;
  return !takesKeys(press.target) && !closest(press.target, 'button, a, summary, [role="switch"]');
}

const takesKeys = (target: unknown) =>
  closest(target, 'input, textarea, select, [contenteditable], [role="menu"], [role="dialog"]');

function closest(target: unknown, selector: string): boolean {
  const element = target as { closest?: (selector: string) => unknown } | null;
  return Boolean(element?.closest?.(selector));
}
