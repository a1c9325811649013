import { text } from '../i18n/i18n';
import type { Notices } from './notices';

/** Copies words, and tells the person whether it went. */
export async function copyWords(words: string, notices: Pick<Notices, 'say' | 'warn'>): Promise<void> {
  try {
    // Browsers have a clipboard in secure contexts alone: pages that came without TLS copy what is marked.
    if (navigator.clipboard) await navigator.clipboard.writeText(words);
    else copyMarked(words);
    notices.say(text('home.copied'));
  } catch {
    notices.warn(text('home.notCopied'));
  }
}

/** Marks the words outside of what is seen; the focus stays where it is, as a dialog would fetch it back. */
function copyMarked(words: string): void {
  const marked = document.createElement('pre');
  marked.textContent = words;
  marked.style.position = 'fixed';
  marked.style.insetBlockStart = '-100vh';
  document.body.append(marked);
  try {
    getSelection()?.selectAllChildren(marked);
    if (!document.execCommand('copy')) throw new Error('not copied');
  } finally {
    marked.remove();
  }
}
