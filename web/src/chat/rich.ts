/** A piece of a line. */
export type Span =
  | { kind: 'text' | 'code' | 'strong'; text: string }
  /** `host` is shown beside a text that does not show it itself. */
  | { kind: 'link'; text: string; href: string; host: string | null };

/** A piece of a message. */
export type Block = { kind: 'text'; spans: Span[] } | { kind: 'code'; text: string };

/**
 * The little of Markdown that chats use: fenced code, `code`, **strong**, links. Everything else is shown as it was
 * typed. What comes out is data for elements to be made of, never markup.
 */
export function rich(text: string): Block[] {
  const blocks: Block[] = [];
  for (const [index, part] of text.split(FENCE).entries()) {
    // The fences' insides are every second part.
    if (index % 2 === 1) blocks.push({ kind: 'code', text: part.replace(/\n$/, '') });
    else {
      const words = part.replace(/^\n|\n$/g, '');
      if (words) blocks.push({ kind: 'text', spans: spans(words) });
    }
  }
  return blocks;
}

/** A fence that is not closed yet, as in an answer that is being written, goes to the end. */
const FENCE = /^[ \t]*```[^\n`]*\n([\s\S]*?)(?:^[ \t]*```[ \t]*$|$(?![\s\S]))/m;

const SPAN = new RegExp(
  [
    '`(?<code>[^`\\n]+)`',
    '\\*\\*(?<strong>(?!\\s)[^*\\n]*[^*\\s])\\*\\*',
    '\\[(?<label>[^\\]\\n]{1,500})\\]\\((?<target>https?:\\/\\/[^\\s()<>]{1,2000})\\)',
    '(?<address>https?:\\/\\/[^\\s<>"`]{1,2000})',
  ].join('|'),
  'giu',
);

function spans(text: string): Span[] {
  const made: Span[] = [];
  let end = 0;
  for (const match of text.matchAll(SPAN)) {
    const found = span(match);
    if (!found) continue;
    if (match.index > end) made.push({ kind: 'text', text: text.slice(end, match.index) });
    made.push(found.span);
    end = match.index + found.length;
  }
  if (end < text.length) made.push({ kind: 'text', text: text.slice(end) });
  return made;
}

function span(match: RegExpMatchArray): { span: Span; length: number } | null {
  const { code, strong, label, target, address } = match.groups ?? {};
  const length = match[0].length;
  if (code) return { span: { kind: 'code', text: code }, length };
  if (strong) return { span: { kind: 'strong', text: strong }, length };
  const shown = address ? withoutTail(address) : (label ?? '');
  const url = webAddress(address ? shown : (target ?? ''));
  if (!url) return null;
  // A browser shows `http://xn--…` for what looks like another name; so does the host here.
  const host = address && url.href.startsWith(shown) ? null : url.host;
  return {
    span: { kind: 'link', text: shown, href: url.href, host },
    length: address ? shown.length : length,
  };
}

/** The full stop at the end of a sentence is none of the address's, nor is the bracket around it. */
function withoutTail(address: string): string {
  const bare = address.replace(/[.,;:!?'"*_]+$/u, '');
  const open = bare.split('(').length;
  const closed = bare.split(')').length;
  return bare.endsWith(')') && closed > open ? withoutTail(bare.slice(0, -1)) : bare;
}

/** `null`: not the web's. An address with a name or password in it is made to look like another host: none either. */
function webAddress(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.username || url.password) return null;
  return url;
}

/** The words alone, in one line: for a list that shows how a message begins. */
export function plain(text: string): string {
  const words = rich(text).map((block) =>
    block.kind === 'code' ? block.text : block.spans.map((span) => span.text).join(''),
  );
  return words.join(' ').replace(/\s+/gu, ' ').trim();
}

/** Nothing but a few emoji: shown large. */
export function isEmoji(text: string): boolean {
  if (text.length > 40 || !EMOJI.test(text)) return false;
  return [...new Intl.Segmenter().segment(text.replace(/\s/gu, ''))].length <= 4;
}

const EMOJI = /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|\u200d|\ufe0f|\s)+$/u;
