/** So near to its end a list still counts as read to the end, in pixels. */
const NEAR = 48;

/**
 * Keeps what one looks at where it is while messages come in above and below: at the end the end, else the first
 * message in view. Messages are found by their `data-key`.
 */
export class ScrollKeeper {
  private end = true;
  private anchor: { key: string; top: number } | null = null;

  constructor(private readonly box: HTMLElement) {}

  /** Whether the newest message is in view. */
  get atEnd(): boolean {
    return this.end;
  }

  /** Pixels of history above what is in view. */
  get above(): number {
    return this.box.scrollTop;
  }

  /** The person scrolled: remembers what is in view now. */
  note(): void {
    const { box } = this;
    this.end = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
    this.anchor = null;
    const edge = box.getBoundingClientRect().top;
    for (const element of box.querySelectorAll<HTMLElement>('[data-key]')) {
      const { top, bottom } = element.getBoundingClientRect();
      if (bottom <= edge) continue;
      this.anchor = { key: element.dataset.key ?? '', top: top - edge };
      return;
    }
  }

  /** The list changed: puts back into place what was in view. */
  restore(): void {
    if (this.end) {
      this.toEnd();
      return;
    }
    const element = this.anchor && this.box.querySelector(`[data-key="${CSS.escape(this.anchor.key)}"]`);
    if (!element || !this.anchor) return;
    const top = element.getBoundingClientRect().top - this.box.getBoundingClientRect().top;
    this.box.scrollTop += top - this.anchor.top;
  }

  toEnd(): void {
    this.end = true;
    this.box.scrollTop = this.box.scrollHeight;
  }

  /** Begins with this element, near the top. */
  begin(element: Element): void {
    element.scrollIntoView({ block: 'start' });
    this.note();
  }
}
