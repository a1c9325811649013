/**
 * The code of a meeting in what somebody typed or pasted: a code with or without its dashes, or a link to the meeting.
 * `null`: there is none.
 */
export function meetingCode(text: string): string | null {
  const last =
    text
      .trim()
      .toLowerCase()
      .replace(/[?#].*$/, '')
      .replace(/\/+$/, '')
      .split('/')
      .at(-1) ?? '';
  const plain = last.replace(/[\s-]/g, '');
  const digits = /^(\d{3})(\d{3})(\d{3})$/.exec(plain);
  const letters = /^([a-z]{3})([a-z]{4})([a-z]{3})$/.exec(plain);
  return (digits ?? letters)?.slice(1).join('-') ?? null;
}
