import { describe, expect, test } from 'vitest';
import { isEmoji, plain, rich, type Span } from './rich';

const spans = (text: string): Span[] =>
  rich(text).flatMap((block) => (block.kind === 'text' ? block.spans : []));
const links = (text: string) =>
  spans(text).flatMap((span) => (span.kind === 'link' ? [[span.text, span.href, span.host]] : []));

test('a plain text stays as it was typed', () => {
  const text = 'Hi *there*\n  a < b & "c" <script> _x_ 5*3**2';
  expect(rich(text)).toEqual([{ kind: 'text', spans: [{ kind: 'text', text }] }]);
});

describe('links', () => {
  test.each([
    ['see https://example.org/a?b=c#d now', 'https://example.org/a?b=c#d'],
    ['(https://example.org/x).', 'https://example.org/x'],
    ['https://en.example/wiki/A_(b)', 'https://en.example/wiki/A_(b)'],
    ['https://example.org/x, and', 'https://example.org/x'],
    ['HTTPS://example.org/', 'HTTPS://example.org/'],
  ])('%j holds one', (text, address) => {
    expect(links(text).map(([shown]) => shown)).toEqual([address]);
  });

  test.each([
    'javascript:alert(1)',
    '[x](javascript:alert(1))',
    '[x](data:text/html,hi)',
    'ftp://example.org',
    'https://bank.example@evil.example/',
    'https://',
    '[x](//evil.example)',
  ])('%j holds none', (text) => {
    expect(links(text)).toEqual([]);
    expect(
      spans(text)
        .map((span) => span.text)
        .join(''),
    ).toBe(text);
  });

  test('a text of its own shows where it leads, and so does a name that looks like another', () => {
    expect(links('[the bank](https://evil.example/x)')).toEqual([
      ['the bank', 'https://evil.example/x', 'evil.example'],
    ]);
    expect(links('https://аpple.com/')[0]?.[2]).toBe('xn--pple-43d.com');
    expect(links('https://example.org/ä')[0]?.[1]).toBe('https://example.org/%C3%A4');
  });
});

test('code is shown as it is, in a line and as a block', () => {
  expect(spans('use `a **b** https://x.example` so')).toEqual([
    { kind: 'text', text: 'use ' },
    { kind: 'code', text: 'a **b** https://x.example' },
    { kind: 'text', text: ' so' },
  ]);
  expect(rich('before\n```js\nlet a = `b`;\n\n```\nafter')).toEqual([
    { kind: 'text', spans: [{ kind: 'text', text: 'before' }] },
    { kind: 'code', text: 'let a = `b`;\n' },
    { kind: 'text', spans: [{ kind: 'text', text: 'after' }] },
  ]);
});

test('a block that is not closed yet goes to the end', () => {
  expect(rich('```\na\nb').map((block) => block.kind)).toEqual(['code']);
});

test('how a message begins, in one line', () => {
  expect(plain('Use **a** `b`:\n```js\nx\n\ny\n```\n[c](https://c.example)')).toBe('Use a b: x y c');
});

test('strong words', () => {
  expect(spans('a **b c** d').map((span) => span.kind)).toEqual(['text', 'strong', 'text']);
  expect(spans('2**3 ** 4')).toEqual([{ kind: 'text', text: '2**3 ** 4' }]);
});

test.each([
  ['👍', true],
  ['👩‍👩‍👧‍👦 ❤️', true],
  ['🇩🇪🇫🇷', true],
  ['👍👍👍👍👍', false],
  ['5', false],
  ['ok 👍', false],
  ['', false],
])('%j is nothing but emoji: %s', (text, expected) => {
  expect(isEmoji(text)).toBe(expected);
});
