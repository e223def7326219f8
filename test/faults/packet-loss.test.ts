import { expect, test } from "bun:test";

import { WITH_PARENT } from "../../local/processes/processes.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { canLosePackets, inNamespace } from "./packet-loss-namespace.ts";

const LIMIT_MS = 120_000;

const isPossible = hasServerPrograms() && (await canLosePackets());

test.skipIf(!isPossible)(
  "on a network that loses 5 % of all packets, then 25 %, nothing is lost, and it recovers",
  async () => {
    const run = Bun.spawn(
      [...WITH_PARENT, ...inNamespace([process.execPath, "test/faults/packet-loss.ts"])],
      { stdout: "inherit", stderr: "inherit", timeout: LIMIT_MS - 20_000 },
    );

    expect(await run.exited).toBe(0);
  },
  LIMIT_MS,
);
