import type { KeyboardEvent } from 'react';

/**
 * Whether the key is an input method's, as the Enter that confirms a word (Chinese, Japanese, Korean). Safari ends the
 * composition before it tells of that key, of which then nothing but its old code, 229, says so.
 */
export function composes({
  nativeEvent,
}: {
  nativeEvent: Pick<KeyboardEvent['nativeEvent'], 'isComposing' | 'keyCode'>;
}) {
  return nativeEvent.isComposing || nativeEvent.keyCode === 229;
}
