import type { Caller } from "../../history/load.ts";

/** A steady load with a history, which goes on until standard input ends. */
export interface SteadyWish {
  kind: "steady";
  gateway: string;
  users: Caller[];
  ratePerSecond: number;
  firstOp: number;
}

/** The same call again and again, and the statuses counted. */
export interface CallsWish {
  kind: "calls";
  url: string;
  headers: Record<string, string>;
  /** JSON; a prompt of `promptChars` characters, its own for each call, is put into the field named. */
  body?: Record<string, unknown>;
  prompt?: { field: string; chars: number };
  /** Under way at once. */
  concurrency: number;
  /** Ends by whichever comes first. */
  count?: number;
  seconds?: number;
  ratePerSecond?: number;
}

/** TCP connections, each open or not within two seconds. */
export interface ConnectWish {
  kind: "connect";
  targets: { host: string; port: number }[];
}

/** What the program of a pod of the drill is to do: its one argument, as JSON. */
export type Wish = SteadyWish | CallsWish | ConnectWish;

/** Of `CallsWish`: how often each status came; a call without a reply counts as 0. */
export type Statuses = Record<string, number>;
