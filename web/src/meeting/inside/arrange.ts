/** Who is shown where. */

export type LayoutMode = 'grid' | 'speaker' | 'spotlight';
export const MODES: readonly LayoutMode[] = ['grid', 'speaker', 'spotlight'];

export interface TileKey {
  /** LiveKit's name for the participant. */
  identity: string;
  source: 'camera' | 'screen';
}

export const keyOf = ({ identity, source }: TileKey): string => `${source}/${identity}`;
export const sameTile = (a: TileKey | null, b: TileKey | null): boolean =>
  a?.identity === b?.identity && a?.source === b?.source;

export interface Arrangement {
  /** One tile that gets the room, or `null`: all are equal. */
  main: TileKey | null;
  /** The tiles of the grid, or of the strip beside the main one. */
  others: readonly TileKey[];
  /** Oneself, small, over the picture. */
  corner: TileKey | null;
}

export interface Present {
  identity: string;
  isMe: boolean;
  sharing: boolean;
}

export interface Wish {
  mode: LayoutMode;
  pinned: TileKey | null;
  /** Who speaks, or spoke last; not oneself. */
  speaker: string | null;
}

const camera = ({ identity }: { identity: string }): TileKey => ({ identity, source: 'camera' });

/** `people` in the order in which they are to be seen. */
export function arrange(people: readonly Present[], wish: Wish): Arrangement {
  const me = people.find((person) => person.isMe) ?? null;
  const others = people.filter((person) => !person.isMe);
  const screens = people
    .filter((person) => person.sharing)
    .map(({ identity }): TileKey => ({ identity, source: 'screen' }));
  const cameras = [...others, ...(me ? [me] : [])].map(camera);
  const all = [...screens, ...cameras];
  const main =
    all.find((tile) => sameTile(tile, wish.pinned)) ??
    screens.find(({ identity }) => identity !== me?.identity) ??
    (wish.mode === 'grid' ? null : (cameras.find(({ identity }) => identity === wish.speaker) ?? cameras[0]));
  if (main) return withMain(main, all, me && camera(me), wish.mode);
  // Alone with one other: they get the room, oneself the corner.
  const [only] = others;
  if (only && others.length === 1 && me && screens.length === 0) {
    return { main: camera(only), others: [], corner: camera(me) };
  }
  return { main: null, others: all, corner: null };
}

function withMain(main: TileKey, all: TileKey[], me: TileKey | null, mode: LayoutMode): Arrangement {
  const others = all.filter((tile) => !sameTile(tile, main));
  const meElsewhere = me && !sameTile(me, main) ? me : null;
  if (mode === 'spotlight') return { main, others: [], corner: meElsewhere };
  // A strip of oneself alone is a corner.
  if (others.length === 1 && meElsewhere) return { main, others: [], corner: meElsewhere };
  return { main, others, corner: null };
}

/**
 * The order in which people are seen, when somebody speaks who would not be: they change places with whoever on the
 * first page has been silent longest. Nobody else moves.
 */
export function promote(
  order: readonly string[],
  speaker: string,
  onFirstPage: number,
  spokeAt: ReadonlyMap<string, number>,
): readonly string[] {
  const from = order.indexOf(speaker);
  if (from < onFirstPage) return order;
  const first = order.slice(0, onFirstPage);
  const silent = first.reduce<string | undefined>(
    (a, b) => (a !== undefined && (spokeAt.get(a) ?? 0) < (spokeAt.get(b) ?? 0) ? a : b),
    undefined,
  );
  if (silent === undefined) return order;
  return order.map((identity) => (identity === speaker ? silent : identity === silent ? speaker : identity));
}

/** Who was there keeps their place, who came goes to the end. */
export function keepOrder(order: readonly string[], present: readonly string[]): readonly string[] {
  const here = new Set(present);
  const kept = order.filter((identity) => here.has(identity));
  const known = new Set(kept);
  const next = [...kept, ...present.filter((identity) => !known.has(identity))];
  const same = next.length === order.length && next.every((identity, index) => identity === order[index]);
  return same ? order : next;
}
