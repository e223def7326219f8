import { afterAll, describe, expect } from "bun:test";

import { type Scene, scenariosOnStack } from "../faults/scenarios.ts";
import {
  canGroupPostgres,
  type PostgresGroup,
  startPostgresGroup,
  tryToCommit,
} from "../support/postgres-group.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { serverUrls } from "../support/servers.ts";
import { failOver } from "./fail-over.ts";

const REMOVE_LIMIT_MS = 30_000;
/** A former primary rewinds what it wrote alone, and starts again. */
const limitMs = 240_000;
/**
 * A primary that is silent for 8 s is replaced, here as in the group's configuration; then etcd may have to
 * vote, a standby is promoted, and another one must follow it before anything is committed.
 */
const GAP_MAX_MS = 30_000;

const isPossible = hasServerPrograms() && (await canGroupPostgres());

describe.skipIf(!isPossible)("with a primary of PostgreSQL and two standbys", () => {
  let group: PostgresGroup | undefined;
  const scenario = scenariosOnStack(async () => {
    group = await startPostgresGroup();
    return {
      servers: { ...serverUrls(), postgres: group.url },
      settings: {
        allow_plaintext: true,
        // If the audit mended the books meanwhile, it would hide that they had been wrong.
        keeper: { audit_interval_ms: 3_600_000 },
      },
    };
  });
  afterAll(() => group?.remove(), REMOVE_LIMIT_MS);

  function without(
    scene: Scene,
    what: string,
    act: (on: PostgresGroup) => Promise<() => Promise<void>>,
  ): Promise<void> {
    const on = group;
    if (on === undefined) throw new Error("PostgreSQL did not start");
    return failOver(scene, { what, act: () => act(on), gapMaxMs: GAP_MAX_MS });
  }

  scenario(
    "the primary dies under load with its machine, is replaced, and comes back as a standby",
    (scene) =>
      without(scene, "primary killed", async (on) => {
        await on.killPrimary();
        return on.revive;
      }),
    { limitMs },
  );

  scenario(
    "the primary freezes under load, is replaced, and comes back as if nothing had happened",
    (scene) => without(scene, "primary frozen", (on) => on.freezePrimary()),
    { limitMs },
  );

  scenario(
    "the primary lives, but nobody reaches it any more, until it is back as one of two",
    (scene) => without(scene, "primary cut off", (on) => on.cutPrimaryOff("nobody")),
    { limitMs },
  );

  scenario(
    "the primary lives, cut off from its standbys alone: its clients reach it, and it commits nothing",
    async (scene) => {
      let alone: Promise<string> | undefined;
      await without(scene, "primary cut off from its standbys", (on) =>
        on.cutPrimaryOff("the test", (primaryUrl) => {
          alone = tryToCommit(primaryUrl);
        }),
      );
      const said = await alone;
      process.stdout.write(`the primary that was cut off said: ${said}\n`);
      expect(said).toBeDefined();
      expect(said).not.toBe("committed");
    },
    { limitMs },
  );
});
