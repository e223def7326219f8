import { Fault } from "../../core/faults.ts";

/** An error of the client library that carries the broker's reply code. */
export function isAmqpError(error: unknown, code: number): error is Error & { code: number } {
  return error instanceof Error && "code" in error && error.code === code;
}

/** The one place where a client error becomes a fault; `what` says what failed, without names of servers. */
export function brokerFault(what: string, cause?: unknown): Fault {
  return new Fault("BROKER_UNAVAILABLE", what, { cause });
}

/** A message that can never be published; `bytesMax`: what the queue takes, null: nobody said. */
export function messageTooLarge(bytes: number, bytesMax: number | null): Fault {
  const limit = bytesMax === null ? "fewer" : `at most ${bytesMax}`;
  return new Fault("MESSAGE_TOO_LARGE", `${bytes} bytes; the queue takes ${limit}`);
}

/**
 * Waits for `work` for at most `ms`; whatever `work` does after that is ignored.
 *
 * @throws {Fault} BROKER_UNAVAILABLE after `ms`, and what `work` throws
 */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(brokerFault(`${what} took longer than ${ms} ms`)), ms);
  // The loser of the race must not become an unhandled rejection.
  work.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
