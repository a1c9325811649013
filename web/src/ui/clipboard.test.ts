import { afterEach, expect, test, vi } from 'vitest';
import { copyWords } from './clipboard';
import type { Notices } from './notices';

const told: string[] = [];
const notices: Pick<Notices, 'say' | 'warn'> = {
  say: ({ key }) => void told.push(key),
  warn: ({ key }) => void told.push(key),
};
afterEach(() => {
  told.length = 0;
  vi.unstubAllGlobals();
});

/** A page that came without TLS; `copies`: whether the browser copies what is marked. */
function withoutTls(copies: boolean): { copied: string | null; left: number } {
  const page = { copied: null as string | null, left: 0 };
  let marked: { textContent: string } | null = null;
  vi.stubGlobal('navigator', {});
  vi.stubGlobal('getSelection', () => ({ selectAllChildren: (node: typeof marked) => (marked = node) }));
  vi.stubGlobal('document', {
    createElement: () => ({ textContent: '', style: {}, remove: () => page.left-- }),
    body: { append: () => page.left++ },
    execCommand: () => {
      if (copies) page.copied = marked?.textContent ?? null;
      return copies;
    },
  });
  return page;
}

test('words go to the clipboard', async () => {
  const writeText = vi.fn();
  vi.stubGlobal('navigator', { clipboard: { writeText } });
  await copyWords('the link', notices);
  expect(writeText).toHaveBeenCalledWith('the link');
  expect(told).toEqual(['home.copied']);
});

test('without TLS there is no clipboard, and words are copied all the same', async () => {
  const page = withoutTls(true);
  await copyWords('the link', notices);
  expect(page).toEqual({ copied: 'the link', left: 0 });
  expect(told).toEqual(['home.copied']);
});

test('who cannot copy is told', async () => {
  const page = withoutTls(false);
  await copyWords('the link', notices);
  expect(page.left).toBe(0);
  vi.stubGlobal('navigator', { clipboard: { writeText: () => Promise.reject(new Error('blocked')) } });
  await copyWords('the link', notices);
  expect(told).toEqual(['home.notCopied', 'home.notCopied']);
});
