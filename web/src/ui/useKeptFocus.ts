import { type RefObject, useEffect, useRef } from 'react';

/** What takes the focus of a button that is gone: the one in its place, or the last. */
export function heir<B>(buttons: readonly B[], place: number): B | undefined {
  return buttons[Math.min(place, buttons.length - 1)];
}

/**
 * For what holds rows that go with the press of a button in them, by keyboard: the focus then stays in the button's
 * section, or goes to what `otherwise` names. Browsers let it fall to the body, where the space bar opens the microphone.
 */
export function useKeptFocus<E extends HTMLElement>(otherwise: string): RefObject<E | null> {
  const ref = useRef<E>(null);
  useEffect(() => {
    const whole = ref.current;
    if (!whole) return;
    let last: { button: Element; section: Element; place: number } | null = null;
    const buttons = (section: Element) => [...section.querySelectorAll('button')];
    const note = ({ target }: FocusEvent) => {
      // Of a pointer's press the focus is not followed: the space bar, meant to talk, would press the next button.
      const button = (target as Element).matches(':focus-visible')
        ? (target as Element).closest('button')
        : null;
      const section = button?.closest('section') ?? whole;
      last = button && { button, section, place: buttons(section).indexOf(button) };
    };
    const forget = () => {
      last = null;
    };
    const keep = () => {
      // Whoever took the focus elsewhere keeps it there.
      if (!last || last.button.isConnected || document.activeElement !== document.body) return;
      const { section, place } = last;
      last = null;
      const next = section.isConnected ? heir(buttons(section), place) : undefined;
      (next ?? document.querySelector<HTMLElement>(otherwise))?.focus();
    };
    const rows = new MutationObserver(keep);
    rows.observe(whole, { childList: true, subtree: true });
    whole.addEventListener('focusin', note);
    addEventListener('pointerdown', forget);
    return () => {
      rows.disconnect();
      whole.removeEventListener('focusin', note);
      removeEventListener('pointerdown', forget);
    };
  }, [otherwise]);
  return ref;
}
