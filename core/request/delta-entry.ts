import type { Piece } from "../attempt/deltas.ts";

/** Where an entry stands among the pieces of a request. */
export interface DeltaPlace {
  /** Number of the execution among those that gave pieces, from 1. */
  epoch: number;
  /** From 1. */
  number: number;
}

/** Some pieces of an answer, in order. */
export interface DeltaEntry {
  /** `EPOCH-NUMBER`: where to go on from. */
  position: string;
  /** null: a new execution begins, whose pieces follow. */
  pieces: Piece[] | null;
}

/** Before the first entry. */
export const FIRST_POSITION = "0-0";

const POSITION = /^\d{1,15}-\d{1,15}$/;
export const isPosition = (text: string): boolean => POSITION.test(text);
export const epochOf = (position: string): number => Number(position.split("-")[0]);
