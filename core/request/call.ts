/**
 * A call of the OpenAI door, which is held open until its request has ended. Its SDK repeats it by itself and
 * counts the tries; a repetition has to find the request of the try before (guarantee I17).
 */
export interface CallClaim {
  userId: string;
  /** Of the body, as `Idempotency` has it. */
  fingerprint: Uint8Array;
  /**
   * How often the call was repeated, at least 1; null: its client does not count, so that this may be a first
   * call. It claims what nobody waits for and nobody has the answer of: then no answer is given to two.
   */
  tries: number | null;
  /** The gateway that waits from now on, by its `publisherId`. */
  holder: string;
  /** Older requests are not found, Unix milliseconds. */
  madeAfterMs: number;
}

/**
 * `claimed`: the request of an earlier try, which nobody waits for. `held`: there is one, and somebody waits
 * for it: another call with the same body, or the try before, of whose end its gateway has not heard yet.
 */
export type CallState =
  | { kind: "claimed"; requestId: string }
  | { kind: "held" }
  | { kind: "none" };

/** The end of a call at its gateway. */
export interface CallEnd {
  requestId: string;
  userId: string;
  /** Whether its caller has the answer; false: they were told to come again, were refused, or have gone. */
  isAnswered: boolean;
}
