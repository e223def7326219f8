import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Progress } from "../../adapters/terminal/progress.ts";
import type { Caller } from "../../history/load.ts";
import { type Losses, loseServers } from "./failover.ts";
import { createKubectl, type Kubectl } from "./kubectl.ts";
import { seeMutualTls, type Spoken, wronglySpoken } from "./mutual-tls.ts";
import { installOperator, PRODUCTION_OPERATORS } from "./operators.ts";
import { copyManifests } from "./overlay.ts";
import {
  NAMESPACE,
  PARTS,
  SCALING,
  untilGateways,
  untilRedisIsWhole,
  untilWhole,
} from "./parts.ts";
import { goBack, type Restore } from "./restore.ts";
import { startStore, type StoreKeys } from "./store.ts";
import { createReader, type Reader } from "./reader.ts";
import { SHIPPED_ACCESS } from "./steps.ts";
import { untilBackedUp } from "./backup.ts";

export interface ProductionOptions {
  kubectl: string;
  kubeconfig: string;
  helm: string;
  progress: Progress;
  signal: AbortSignal;
}

/** What was seen. */
export interface ProductionRecord {
  startedAt: string;
  /** What became ready how many seconds after `overlays/production` was applied. */
  readyAfterSeconds: Record<string, number>;
  mutualTls: Spoken[];
  losses: Losses["losses"];
  checked: Pick<
    Losses["report"],
    "attempted" | "acknowledged" | "states" | "driftTokens" | "tokens"
  >;
  restore: Restore;
  /** What should not be; empty: the drill has passed. */
  problems: string[];
}

const WHOLE_LIMIT_SECONDS = 900;
const USERS = 3;

/** Installs production, as the documentation says, on a cluster that has its images, and tries it. */
export async function runProduction(options: ProductionOptions): Promise<ProductionRecord> {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-production-"));
  try {
    return await runIn(folder, options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runIn(folder: string, options: ProductionOptions): Promise<ProductionRecord> {
  const { progress, signal } = options;
  const kubectl = createKubectl(options.kubectl, options.kubeconfig);
  const startedAt = new Date().toISOString();
  const manifests = copyManifests(folder);
  const follow = createReader(kubectl, folder);
  const tools = { kubectl, helm: options.helm, folder, signal };
  for (const name of PRODUCTION_OPERATORS)
    await progress.step(`operator ${name}`, async () => {
      await installOperator(name, tools);
      return {};
    });

  const readyAfterSeconds = await deploy(kubectl, follow, progress, signal);
  const users = await Promise.all(
    Array.from({ length: USERS }, (_, index) => addUser(kubectl, index)),
  );
  const mutualTls = await progress.step("mutual TLS", async () => {
    const spoken = await seeMutualTls(kubectl);
    return { spoken, detail: `${spoken.length} servers asked` };
  });
  const { losses, report, violations } = await loseServers(
    kubectl,
    users,
    folder,
    progress,
    signal,
  );
  const [user] = users;
  if (user === undefined) throw new Error("there is no user");
  const restore = await goBack({ kubectl, manifests, follow, user, progress, signal });
  const { attempted, acknowledged, states, driftTokens, tokens } = report;
  return {
    startedAt,
    readyAfterSeconds,
    mutualTls: mutualTls.spoken,
    losses,
    checked: { attempted, acknowledged, states, driftTokens, tokens },
    restore,
    problems: [
      ...wronglySpoken(mutualTls.spoken),
      ...violations.map((kind) => `after the losses: ${kind}: ${JSON.stringify(report[kind])}`),
      ...restoreProblems(restore),
    ],
  };
}

function restoreProblems({ audit, before, after, since }: Restore): string[] {
  const wanted = { before: "completed", after: "404", since: "completed" };
  const states = Object.entries({ before, after, since }).filter(
    ([name, state]) => wanted[name as keyof typeof wanted] !== state,
  );
  return [
    ...(audit.agree ? [] : ["after the restore the books differ"]),
    ...states.map(([name, state]) => `after the restore a request ${name} it is ${state}`),
  ];
}

/** Follows the steps of the documentation until everything is whole. */
async function deploy(
  kubectl: Kubectl,
  follow: Reader,
  progress: Progress,
  signal: AbortSignal,
): Promise<Record<string, number>> {
  const keys: StoreKeys = {
    accessKeyId: "drill",
    secretAccessKey: randomBytes(20).toString("hex"),
  };
  const step = (label: string, act: () => Promise<void>) =>
    progress.step(label, async () => {
      await act();
      return {};
    });
  const [keyId, secret] = SHIPPED_ACCESS;
  await step("secrets", async () => {
    await follow("secrets", {
      [keyId]: `access-key-id=${keys.accessKeyId}`,
      [secret]: `secret-access-key=${keys.secretAccessKey}`,
    });
  });
  await step("a store for backups", () => startStore(kubectl, keys));
  const appliedMs = performance.now();
  const readyAfterSeconds: Record<string, number> = {};
  const ready = (label: string, act: () => Promise<void>) =>
    step(label, async () => {
      await act();
      readyAfterSeconds[label] = Math.round((performance.now() - appliedMs) / 1_000);
    });
  await step("overlays/production", async () => void (await follow("apply")));
  await step("trust in the authority", async () => void (await follow("trust")));
  await Promise.all([
    ...PARTS.map((part) => ready(part.name, () => untilWhole(kubectl, part, WHOLE_LIMIT_SECONDS))),
    ready("Redis", () => untilRedisIsWhole(kubectl, WHOLE_LIMIT_SECONDS)),
    ready("the migration", async () => void (await follow("until accepting"))),
    ready("the first backup", () => untilBackedUp(kubectl, "postgres", new Set(), signal)),
  ]);
  // What scales gateways comes with it: the second one.
  await ready("scaling", async () => {
    await follow("scale");
    await untilWhole(kubectl, SCALING, WHOLE_LIMIT_SECONDS);
    await untilGateways(kubectl, signal);
  });
  return readyAfterSeconds;
}

/** A user with a key, made by the command of the documentation. */
async function addUser(kubectl: Kubectl, index: number): Promise<Caller> {
  const args = ["user", "add", `Drill ${index}`, "--email", `drill-${index}@example.com`, "--json"];
  const out = await kubectl.run([
    "-n",
    NAMESPACE,
    "exec",
    "deploy/gateway",
    "--",
    "bun",
    "cli/main.ts",
    ...args,
  ]);
  const { user_id: userId, api_key: apiKey } = JSON.parse(out) as {
    user_id: string;
    api_key: string;
  };
  return { userId, apiKey };
}
