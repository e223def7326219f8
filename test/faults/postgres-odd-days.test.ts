/** A PostgreSQL that is there and does not serve: read-only, without connections left, in recovery. */
import { afterAll, describe, expect } from "bun:test";

import { FAULTS } from "../../core/faults.ts";
import type { Component } from "../../local/stack/component.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { serverUrls } from "../support/servers.ts";
import { untilAccepting, untilCompleting } from "./progress.ts";
import { type Scene, scenariosOnStack } from "./scenarios.ts";
import { type OddPostgres, startOddPostgres } from "./servers/odd-postgres.ts";

const REMOVE_LIMIT_MS = 30_000;
const NOTICE_LIMIT_MS = 15_000;
const ANSWER_LIMIT_MS = 10_000;

interface Readiness {
  status: string;
  checks: Record<string, boolean>;
}

async function readinessOf({ url }: Component): Promise<Readiness> {
  const reply = await fetch(`${url}/health/ready`, {
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  });
  return (await reply.json()) as Readiness;
}

/** Every gateway says that it cannot be used, and that this is for PostgreSQL. */
const untilNotReady = ({ stack }: Scene): Promise<void> =>
  untilTrue("the gateways are not ready", NOTICE_LIMIT_MS, async () => {
    const all = await Promise.all(stack.gateways.map(readinessOf));
    return all.every(
      ({ status, checks: { postgres, ...others } }) =>
        status === "not_ready" && postgres === false && Object.values(others).every(Boolean),
    );
  });

const untilReady = ({ stack }: Scene): Promise<void> =>
  untilTrue("the gateways are ready", NOTICE_LIMIT_MS, async () => {
    const all = await Promise.all(stack.gateways.map(readinessOf));
    return all.every(({ status }) => status === "ready");
  });

const pidsOf = ({ stack }: Scene) => stack.components().map((component) => component.pid());

describe.skipIf(!hasServerPrograms())("with a PostgreSQL of its own", () => {
  let started: OddPostgres | undefined;
  const scenario = scenariosOnStack(async () => {
    started = await startOddPostgres();
    return { servers: { ...serverUrls(), postgres: started.url } };
  });
  afterAll(() => started?.remove(), REMOVE_LIMIT_MS);

  function server(): OddPostgres {
    if (started === undefined) throw new Error("PostgreSQL did not start");
    return started;
  }

  /** Begins a bad time, which `begin` returns how to end, and expects what must hold in it and after it. */
  async function expectPatience(
    scene: Scene,
    reason: string,
    begin: () => Promise<() => Promise<void>>,
  ): Promise<void> {
    const { stack } = scene;
    const user = await stack.addUser();
    await untilCompleting(scene);
    const pids = pidsOf(scene);
    const logged = stack.gateways.map((gateway) => gateway.log().length);
    const end = await begin();
    try {
      await untilNotReady(scene);
      for (const [index, gateway] of stack.gateways.entries()) {
        const { status, headers, body } = await stack
          .api(user, index)
          .post({ prompt: "hello", max_tokens: 16 });
        expect(status).toBe(503);
        expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
        expect(FAULTS[body.code ?? "INTERNAL"]).toMatchObject({
          domain: "platform",
          retryable: true,
        });
        expect(gateway.log().slice(logged[index])).toContain(reason);
      }
    } finally {
      await end();
    }
    await untilReady(scene);
    await untilAccepting(scene);
    await untilCompleting(scene);
    expect(pidsOf(scene)).toEqual(pids);
  }

  scenario(
    "PostgreSQL takes no writes: gateways refuse with a time and are not ready, and all goes on afterwards",
    (scene) =>
      expectPatience(scene, "PostgreSQL takes no writes", async () => {
        await server().setReadOnly(true);
        return () => server().setReadOnly(false);
      }),
  );

  scenario(
    "PostgreSQL has no connection left for gateways: the same",
    (scene) => expectPatience(scene, "53300", () => server().takeConnections("tollgate-gateway%")),
    { limitMs: 120_000 },
  );

  scenario(
    "PostgreSQL is restarted and recovers for a while: the same",
    (scene) =>
      expectPatience(scene, "57P03", async () => {
        await server().restartInRecovery();
        return server().promote;
      }),
    { limitMs: 120_000 },
  );
});
