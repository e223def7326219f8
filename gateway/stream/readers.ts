import { Fault } from "../../core/faults.ts";
import type { GatewayPorts } from "../ports.ts";

/** Counts those who read along, and bounds them. */
export interface Readers {
  /** @throws {Fault} OVERLOADED, CONCURRENCY_EXCEEDED: too many read along already */
  check: (userId: string) => void;
  /** Returns how to leave. */
  enter: (userId: string) => () => void;
  count: () => number;
  /** Resolves when nobody reads along any more. */
  untilNone: () => Promise<void>;
}

export function createReaders({ config }: Pick<GatewayPorts, "config">): Readers {
  const byUser = new Map<string, number>();
  let all = 0;
  let none = Promise.withResolvers<void>();
  none.resolve();

  return {
    check(userId) {
      const { streams_max: max, user_streams_max: userMax } = config().openai;
      if (all >= max) throw new Fault("OVERLOADED", "too many streams are open at this gateway");
      if ((byUser.get(userId) ?? 0) >= userMax)
        throw new Fault(
          "CONCURRENCY_EXCEEDED",
          `you may have ${userMax} streams open at a gateway`,
        );
    },
    count: () => all,
    untilNone: () => none.promise,
    enter(userId) {
      if (all === 0) none = Promise.withResolvers();
      all += 1;
      byUser.set(userId, (byUser.get(userId) ?? 0) + 1);
      return () => {
        all -= 1;
        if (all === 0) none.resolve();
        const left = (byUser.get(userId) ?? 1) - 1;
        if (left > 0) byUser.set(userId, left);
        else byUser.delete(userId);
      };
    },
  };
}
