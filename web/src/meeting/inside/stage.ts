import { atom, computed, type ReadableAtom } from 'nanostores';
import { stored } from '../../store/stored';
import {
  type Arrangement,
  arrange,
  keepOrder,
  keyOf,
  type LayoutMode,
  MODES,
  type Present,
  promote,
  sameTile,
  type TileKey,
} from './arrange';
import { focus, grid, type Place, places, RULES, type Size } from './layout';
import type { Person } from './people';

export interface SceneTile {
  key: string;
  tile: TileKey;
  place: Place;
  /** `small` ones say less. */
  kind: 'main' | 'even' | 'small' | 'corner';
}

/** What is on the stage now. */
export interface Scene {
  tiles: readonly SceneTile[];
  /** From 0. */
  page: number;
  pages: number;
}

/** Somebody is the speaker when they have spoken this long, in milliseconds: a cough changes nothing. */
const DWELL = 1_200;

/** Who is seen where and how large; follows the people, the speaker, the window and the person's wishes. */
export class Stage {
  readonly $mode = stored<LayoutMode>('convo.layout', 'grid', (value) => {
    const mode = MODES.find((mode) => mode === value);
    if (!mode) throw new TypeError('not a layout');
    return mode;
  });
  private readonly pinned = atom<TileKey | null>(null);
  private readonly speaker = atom<string | null>(null);
  private readonly order = atom<readonly string[]>([]);
  private readonly size = atom<Size>({ width: 0, height: 0 });
  private readonly wantedPage = atom(0);
  private readonly spokeAt = new Map<string, number>();
  private readonly end: () => void;
  private candidate: { identity: string; timer: ReturnType<typeof setTimeout> } | null = null;

  private readonly arrangement: ReadableAtom<Arrangement>;
  private readonly scene: ReadableAtom<Scene>;

  constructor(
    $people: ReadableAtom<readonly Person[]>,
    private readonly now: () => number = Date.now,
  ) {
    const $present = steady(
      computed([$people, this.order], (people, order) => inOrder(people, order)),
      samePresent,
    );
    this.arrangement = steady(
      computed([$present, this.$mode, this.pinned, this.speaker], (present, mode, pinned, speaker) =>
        arrange(present, { mode, pinned, speaker }),
      ),
      sameArrangement,
    );
    this.scene = computed([this.arrangement, this.size, this.wantedPage], compose);
    this.end = $people.subscribe((people) => this.follow(people));
  }

  get $pinned(): ReadableAtom<TileKey | null> {
    return this.pinned;
  }

  /** Who speaks, or spoke last; not oneself. */
  get $speaker(): ReadableAtom<string | null> {
    return this.speaker;
  }

  get $scene(): ReadableAtom<Scene> {
    return this.scene;
  }

  setMode(mode: LayoutMode): void {
    this.$mode.set(mode);
    this.wantedPage.set(0);
  }

  nextMode(): LayoutMode {
    const next = MODES[(MODES.indexOf(this.$mode.get()) + 1) % MODES.length] ?? 'grid';
    this.setMode(next);
    return next;
  }

  /** Keeps the tile large; the same again lets it go. */
  readonly pinThis = (tile: TileKey): void => {
    this.pinned.set(sameTile(this.pinned.get(), tile) ? null : tile);
  };

  turn(by: number): void {
    this.wantedPage.set(this.scene.get().page + by);
  }

  resize(size: Size): void {
    const { width, height } = this.size.get();
    if (size.width !== width || size.height !== height) this.size.set(size);
  }

  dispose(): void {
    this.end();
    clearTimeout(this.candidate?.timer);
  }

  private follow(people: readonly Person[]): void {
    const identities = people.map(({ identity }) => identity);
    this.order.set(keepOrder(this.order.get(), identities));
    const now = this.now();
    const speaking = people.filter((person) => person.speaking && !person.isMe);
    for (const { identity } of speaking) this.spokeAt.set(identity, now);
    if (!identities.includes(this.speaker.get() ?? '')) this.speaker.set(null);
    const stillSpeaks = speaking.some(({ identity }) => identity === this.speaker.get());
    this.propose(stillSpeaks ? null : (speaking[0]?.identity ?? null));
  }

  private propose(identity: string | null): void {
    if (this.candidate?.identity === identity) return;
    clearTimeout(this.candidate?.timer);
    this.candidate = null;
    if (identity === null) return;
    // The first one need not wait: nobody is interrupted.
    if (this.speaker.get() === null) this.elect(identity);
    else this.candidate = { identity, timer: setTimeout(() => this.elect(identity), DWELL) };
  }

  private elect(identity: string): void {
    this.candidate = null;
    this.speaker.set(identity);
    const { pages } = this.scene.get();
    if (pages < 2) return;
    const first = compose(this.arrangement.get(), this.size.get(), 0).tiles;
    const shown = first.filter(({ kind, tile }) => kind !== 'main' && tile.source === 'camera').length;
    this.order.set(promote(this.order.get(), identity, shown, this.spokeAt));
  }
}

function inOrder(people: readonly Person[], order: readonly string[]): readonly Present[] {
  const known = new Map(people.map((person) => [person.identity, person]));
  return order.flatMap((identity) => {
    const person = known.get(identity);
    return person ? [{ identity, isMe: person.isMe, sharing: person.screen.on }] : [];
  });
}

const samePresent = (a: readonly Present[], b: readonly Present[]) =>
  a.length === b.length &&
  a.every(({ identity, sharing }, index) => b[index]?.identity === identity && b[index]?.sharing === sharing);

const sameArrangement = (a: Arrangement, b: Arrangement) =>
  sameTile(a.main, b.main) &&
  sameTile(a.corner, b.corner) &&
  a.others.length === b.others.length &&
  a.others.every((tile, index) => sameTile(tile, b.others[index] ?? null));

/** The same value as before while it is equal: somebody who speaks moves nothing. */
function steady<T>($value: ReadableAtom<T>, equal: (a: T, b: T) => boolean): ReadableAtom<T> {
  let before: { value: T } | null = null;
  return computed($value, (value) => {
    if (!before || !equal(before.value, value)) before = { value };
    return before.value;
  });
}

/** The scene of a page of an arrangement, on a stage of a size. */
export function compose({ main, others, corner }: Arrangement, room: Size, wantedPage: number): Scene {
  const small = corner ? [placeCorner(corner, room)] : [];
  if (!main) {
    const made = grid(others.length, room);
    const page = within(wantedPage, made.pages);
    const shown = others.slice(page * made.perPage, (page + 1) * made.perPage);
    const spots = places(shown.length, made, room);
    return { tiles: [...put(shown, spots, 'even'), ...small], page, pages: made.pages };
  }
  const { main: spot, strip, tile } = focus(room, others.length > 0);
  const large = put([main], [spot], 'main');
  if (!strip) return { tiles: [...large, ...small], page: 0, pages: 1 };
  const length = strip === 'column' ? room.height : room.width;
  const step = (strip === 'column' ? tile.height : tile.width) + RULES.gap;
  const perPage = Math.max(1, Math.floor((length + RULES.gap) / step));
  const pages = Math.ceil(others.length / perPage);
  const page = within(wantedPage, pages);
  const shown = others.slice(page * perPage, (page + 1) * perPage);
  const before = Math.max(0, (length - shown.length * step + RULES.gap) / 2);
  const spots = shown.map((_, index) => {
    const along = Math.round(before + index * step);
    return strip === 'column'
      ? { ...tile, start: room.width - tile.width, top: along }
      : { ...tile, start: along, top: room.height - tile.height };
  });
  return { tiles: [...large, ...put(shown, spots, 'small'), ...small], page, pages };
}

const within = (page: number, pages: number) => Math.min(Math.max(0, page), pages - 1);

function put(tiles: readonly TileKey[], spots: readonly Place[], kind: SceneTile['kind']): SceneTile[] {
  return tiles.flatMap((tile, index) => {
    const place = spots[index];
    return place ? [{ key: keyOf(tile), tile, place, kind }] : [];
  });
}

/** Over the picture, at its end and bottom. */
function placeCorner(tile: TileKey, room: Size): SceneTile {
  const tall = room.height > room.width;
  const width = Math.round(Math.min(260, Math.max(96, room.width * (tall ? 0.27 : 0.2))));
  const height = Math.round(tall ? (width * 4) / 3 : (width * 9) / 16);
  const margin = 12;
  const place = { width, height, start: room.width - width - margin, top: room.height - height - margin };
  return { key: keyOf(tile), tile, place, kind: 'corner' };
}
