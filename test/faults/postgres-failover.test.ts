import { afterAll, describe } from "bun:test";

import { serverUrls } from "../support/servers.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { scenariosOnStack } from "./scenarios.ts";
import { type PostgresPair, startPostgresPair } from "./servers/postgres-pair.ts";
import { untilAccepting, untilCompleting } from "./progress.ts";

const REMOVE_LIMIT_MS = 30_000;
/** Until somebody has noticed and decided. */
const UNNOTICED_MS = 1_000;

// Where only containers run, there is no process to send a signal to.
describe.skipIf(!hasServerPrograms())("with a primary and a standby of PostgreSQL", () => {
  let pair: PostgresPair | undefined;
  const scenario = scenariosOnStack(async () => {
    pair = await startPostgresPair();
    return { servers: { ...serverUrls(), postgres: pair.url } };
  });
  afterAll(() => pair?.remove(), REMOVE_LIMIT_MS);

  scenario(
    "the primary dies under load, its standby takes over, and nothing is lost or billed twice",
    async (scene) => {
      await untilCompleting(scene);
      await pair?.killPrimary();
      await Bun.sleep(UNNOTICED_MS);
      await pair?.promoteStandby();
      await untilAccepting(scene);
      await untilCompleting(scene);
    },
    { ratePerSecond: 200 },
  );
});
