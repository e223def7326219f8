import { Fault, type FaultCode } from "../../../core/faults.ts";

/** What the fakes of one server share: it can go away, and a reply can get lost. */
export interface FakeServer {
  /** While true everything that is asked of the server throws its fault, and nothing is done. */
  isAway: boolean;
  /** The next so many replies get lost: what was asked is done, but who asked sees the fault. */
  repliesLost: number;
  /** Does what is asked. Throws the server's fault. */
  ask: <Reply>(work: () => Reply) => Promise<Reply>;
}

/** A server whose clients throw the given fault while it is away. */
export function createFakeServer(code: FaultCode): FakeServer {
  const server: FakeServer = {
    isAway: false,
    repliesLost: 0,
    ask: async (work) => {
      if (server.isAway) throw new Fault(code, "the server is away");
      const reply = work();
      if (server.repliesLost === 0) return reply;
      server.repliesLost -= 1;
      throw new Fault(code, "the reply was lost");
    },
  };
  return server;
}
