import type { Progress } from "../../adapters/terminal/progress.ts";
import { createApi } from "../../history/api.ts";
import type { Caller } from "../../history/load.ts";
import { backUp, passSecond, untilArchived } from "./backup.ts";
import { audit, type AuditJson } from "./books.ts";
import { openGateways } from "./doors.ts";
import type { Kubectl } from "./kubectl.ts";
import type { Manifests } from "./overlay.ts";
import { PARTS, RESTORED, untilGateways, untilRedisIsWhole, untilWhole } from "./parts.ts";
import type { Reader } from "./reader.ts";

export interface Restore {
  targetTime: string;
  /** Of the backup; and from the first step back to the audit after it. */
  backupSeconds: number;
  restoreSeconds: number;
  audit: AuditJson;
  /** What `GET /status` says of a request from before the moment, from after it, and since the restore. */
  before: string;
  after: string;
  since: string;
}

interface Scene {
  kubectl: Kubectl;
  manifests: Manifests;
  follow: Reader;
  user: Caller;
  progress: Progress;
  signal: AbortSignal;
}

const PATCHES = "overlays/production/patches/*.yaml";
const POSTGRES = "overlays/production/postgres.yaml";
const WHOLE_LIMIT_SECONDS = 900;

/** Makes a backup by hand, and goes back to a moment after it, by the steps of the documentation. */
export async function goBack(scene: Scene): Promise<Restore> {
  const { kubectl, manifests, follow, progress, signal } = scene;
  const step = (label: string, act: () => Promise<void>): Promise<object> =>
    progress.step(label, async () => {
      await act();
      return {};
    });

  const backupMs = performance.now();
  await step("a backup by hand", () => backUp(kubectl, follow, "postgres", signal));
  const backupSeconds = secondsSince(backupMs);
  const before = await generate(scene, "from before the moment");
  const targetTime = await passSecond(kubectl, signal);
  const after = await generate(scene, "from after the moment");
  await step("what came after is archived", () => untilArchived(kubectl, signal));

  const restoreMs = performance.now();
  await step("stop accepting and working", async () => {
    await follow("stop accepting");
    await follow("stop collecting");
  });
  await step("PostgreSQL at the moment", async () => {
    manifests.replace("restore/*.yaml", "2026-01-31T09:15:00Z", targetTime);
    await follow("restore");
    await untilWhole(kubectl, RESTORED, WHOLE_LIMIT_SECONDS);
  });
  await step("Redis forgets", async () => {
    await follow("delete Redis");
    await follow("forget Redis");
  });
  await step("everything turns to what was restored", async () => {
    manifests.replace(PATCHES, "postgres-rw", "postgres-restored-rw");
    manifests.replace(PATCHES, "postgres-app", "postgres-restored-app");
    await follow("delete the migration");
    await follow("apply");
    await follow("accept again");
    await follow("until accepting");
    // A deployment of none is rolled out at once.
    await untilGateways(kubectl, signal);
    await untilRedisIsWhole(kubectl, WHOLE_LIMIT_SECONDS);
    for (const part of PARTS) await untilWhole(kubectl, part, WHOLE_LIMIT_SECONDS);
  });
  const since = await generate(scene, "since the restore");
  await step("the audit", async () => void (await follow("audit")));
  const restoreSeconds = secondsSince(restoreMs);
  const found = {
    audit: await audit(kubectl),
    before: await statusOf(scene, before),
    after: await statusOf(scene, after),
    since: await statusOf(scene, since),
  };
  await step("backups of what was restored", async () => {
    manifests.replace(
      POSTGRES,
      "cluster:\n    name: postgres\n",
      "cluster:\n    name: postgres-restored\n",
    );
    await follow("apply");
    await backUp(kubectl, follow, "postgres-restored", signal);
  });
  return { targetTime, backupSeconds, restoreSeconds, ...found };
}

const secondsSince = (sinceMs: number): number => Math.round((performance.now() - sinceMs) / 1_000);

/** A request of the user that ends; its id. */
async function generate(scene: Scene, prompt: string): Promise<string> {
  return await withGateway(scene, async (url) => {
    const api = createApi(url, scene.user.apiKey);
    const { request_id: requestId } = await api.generate({ prompt, max_tokens: 16 });
    await api.untilEnded(requestId);
    return requestId;
  });
}

/** Its state, or the status code of the reply. */
async function statusOf(scene: Scene, requestId: string): Promise<string> {
  return await withGateway(scene, async (url) => {
    const path = `/status/${requestId}`;
    const { status, body } = await createApi(url, scene.user.apiKey).call<{ status: string }>(path);
    return status === 200 ? body.status : String(status);
  });
}

/** Gateways are replaced by the restore: the way to one is opened anew. */
async function withGateway<Result>(
  { kubectl, signal }: Scene,
  act: (url: string) => Promise<Result>,
): Promise<Result> {
  const gateways = await openGateways(kubectl, signal);
  try {
    const [url] = gateways.urls;
    if (url === undefined) throw new Error("there is no gateway");
    return await act(url);
  } finally {
    await gateways.close();
  }
}
