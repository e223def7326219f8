import type { Piece } from "../attempt/deltas.ts";

/** Where an entry stands among the pieces of a request. */
export interface DeltaPlace {
  /** Of an execution that gives pieces: more than that of those before it. */
  epoch: number;
  /** From 1. */
  number: number;
}

/** Some pieces of an answer in order, or the beginning of an execution. */
export type DeltaEntry = {
  /** `EPOCH-NUMBER`: where to go on from. */
  position: string;
} & (
  | { pieces: Piece[] }
  /** `isContinued`: its pieces go on from those before; else they begin the answer anew. */
  | { pieces: null; isContinued: boolean }
);

/** Before the first entry. */
export const FIRST_POSITION = "0-0";

/** Behind every entry that can be. */
export const LAST_POSITION = `${"9".repeat(15)}-0`;

export const POSITION_PATTERN = "^[0-9]{1,15}-[0-9]{1,15}$";
const POSITION = new RegExp(POSITION_PATTERN);
export const isPosition = (text: string): boolean => POSITION.test(text);

/** Whether nothing is missing between a position and an entry that was read behind it. */
export function follows({ position, pieces }: DeltaEntry, before: string): boolean {
  if (pieces === null) return true;
  const [epoch, number = "0"] = before.split("-");
  return position === `${epoch}-${Number(number) + 1}`;
}
