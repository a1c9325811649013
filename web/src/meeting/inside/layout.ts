/** Where tiles go: sizes by container and count, in pixels; no DOM in here. */

export interface Size {
  width: number;
  height: number;
}

/** A tile's place, from the start edge and the top. */
export interface Place extends Size {
  start: number;
  top: number;
}

export interface Grid {
  columns: number;
  rows: number;
  tile: Size;
  /** How many tiles a page holds at most. */
  perPage: number;
  pages: number;
}

export interface GridRules {
  gap: number;
  /** Smaller tiles than this go to another page. */
  least: Size;
  /** A page never holds more: each tile is a picture to decode. */
  most: number;
  /** Width by height: a picture is cropped to something between these. */
  narrowest: number;
  widest: number;
}

export const RULES: GridRules = {
  gap: 8,
  least: { width: 148, height: 104 },
  most: 25,
  narrowest: 3 / 4,
  widest: 16 / 9,
};

/** The columns, rows and tile size that show `count` tiles as large as they go. */
function largest(count: number, room: Size, rules: GridRules): { columns: number; rows: number; tile: Size } {
  let best = { columns: 1, rows: count, tile: { width: 0, height: 0 } };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const tile = shaped(
      (room.width - rules.gap * (columns - 1)) / columns,
      (room.height - rules.gap * (rows - 1)) / rows,
      rules,
    );
    if (worth(tile, rules) > worth(best.tile, rules)) best = { columns, rows, tile };
  }
  return best;
}

/** Large is good, and so is what is seen of a camera's wide picture: a tile that cuts it counts less. */
function worth({ width, height }: Size, { widest }: GridRules): number {
  return height === 0 ? 0 : width * height * Math.sqrt(Math.min(1, width / height / widest));
}

/** The largest tile of an allowed shape within a cell. */
function shaped(width: number, height: number, { narrowest, widest }: GridRules): Size {
  if (width <= 0 || height <= 0) return { width: 0, height: 0 };
  return {
    width: Math.floor(Math.min(width, height * widest)),
    height: Math.floor(Math.min(height, width / narrowest)),
  };
}

/** The grid for `count` tiles in `room`. Pages are filled evenly: nobody sits alone on the last one. */
export function grid(count: number, room: Size, rules: GridRules = RULES): Grid {
  const fits = (n: number) => {
    const { tile } = largest(n, room, rules);
    return tile.width >= rules.least.width && tile.height >= rules.least.height;
  };
  let capacity = Math.max(1, Math.min(count, rules.most));
  while (capacity > 1 && !fits(capacity)) capacity--;
  const pages = Math.max(1, Math.ceil(count / capacity));
  const perPage = Math.max(1, Math.ceil(count / pages));
  return { ...largest(perPage, room, rules), perPage, pages };
}

/** The places of `count` tiles of a page: rows from the top, each row and the whole in the middle. */
export function places(
  count: number,
  { columns, tile }: Grid,
  room: Size,
  gap: number = RULES.gap,
): readonly Place[] {
  const rows = Math.ceil(count / columns);
  const top = (room.height - rows * tile.height - (rows - 1) * gap) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const start = (room.width - inRow * tile.width - (inRow - 1) * gap) / 2;
    return {
      ...tile,
      start: Math.round(start + (index - row * columns) * (tile.width + gap)),
      top: Math.round(top + row * (tile.height + gap)),
    };
  });
}

/** The main picture and the strip of small ones: below on tall stages, at the end on wide ones. */
export interface Focus {
  main: Size & { start: number; top: number };
  /** In which direction the strip runs; `null`: there is none. */
  strip: 'row' | 'column' | null;
  /** A tile of the strip. */
  tile: Size;
}

/** The strip takes a fifth of the stage, within reason. */
export function focus(room: Size, withStrip: boolean, gap: number = RULES.gap): Focus {
  const whole = { start: 0, top: 0, ...room };
  if (!withStrip) return { main: whole, strip: null, tile: { width: 0, height: 0 } };
  if (room.width > room.height * 1.2) {
    const width = Math.round(clamp(room.width / 5, 140, 280));
    const tile = { width, height: Math.round((width * 9) / 16) };
    return { main: { ...whole, width: Math.max(0, room.width - width - gap) }, strip: 'column', tile };
  }
  // Three fit on a phone.
  const width = Math.floor(clamp((room.width - 2 * gap) / 3, 96, 180));
  const height = Math.round((width * 3) / 4);
  const tile = { width, height };
  return { main: { ...whole, height: Math.max(0, room.height - height - gap) }, strip: 'row', tile };
}

const clamp = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value));
