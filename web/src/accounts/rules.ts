/** An e-mail address, near enough: the server has the last word. */
export const isEmail = (text: string): boolean => /^[^\s@]+@[^\s@]+\.[^\s@]+$/u.test(text.trim());

/** E.164, with what people write between the digits. */
export const isPhone = (text: string): boolean => /^\+\d{7,15}$/.test(plainPhone(text));

export const plainPhone = (text: string): string => text.replace(/[\s().-]/g, '');

/** platform.md: at least 8 characters, an uppercase letter, a lowercase letter and a digit. */
export const isStrong = (password: string): boolean =>
  [...password].length >= 8 && /\p{Lu}/u.test(password) && /\p{Ll}/u.test(password) && /\d/.test(password);
