import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { connectAmqp } from "../../adapters/amqp/connection.ts";
import { browse, queueDepths } from "../../adapters/amqp/inspect.ts";
import { textArray } from "../../adapters/postgres/arrays.ts";
import { EXIT } from "../../adapters/terminal/failure.ts";
import { createSimulatorControl } from "../../local/stack/simulator-control.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { silentLog } from "../../runtime/log.ts";
import { type Load, startLoad } from "../../history/load.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { createApi } from "../../history/api.ts";
import { makeUser, type TestUser } from "../support/stack/users.ts";
import { type LocalUp, makeLocalUp, onDatabase } from "./local-up.ts";
import { contentOf, momentOf } from "./moment.ts";
import { filesBelow, filesWith } from "./repository-files.ts";

const STEP_LIMIT_MS = 240_000;
/** In the prompt of every request of the load. */
const CANARY = "canary-6b1f0d";
/** Calls under way do not end while the moment is taken. */
const SLOW_MS = 20_000;
const QUEUE = "inference_requests";

interface Moment {
  atMs: number;
  content: Record<string, string>;
  /** Open then, and ended since. */
  openIds: string[];
}

describe.skipIf(!hasServerPrograms())("a database that is backed up", () => {
  let stack: LocalUp;
  let repository: string;
  let users: TestUser[];
  let late: TestUser;
  let moment: Moment;
  let forgottenIds: string[];

  beforeAll(async () => {
    repository = mkdtempSync(join(tmpdir(), "tollgate-repository-"));
    stack = await makeLocalUp();
    const started = await stack.tollgate("up", "--detach");
    if (started.exitCode !== 0) throw new Error(started.out + started.err);
    users = await Promise.all([addUser(), addUser()]);
  }, STEP_LIMIT_MS);
  afterAll(async () => {
    await stack.remove();
    rmSync(repository, { recursive: true, force: true });
  }, STEP_LIMIT_MS);

  const addUser = (): Promise<TestUser> =>
    stack.withDatabase((database) => makeUser(database, stack.pepper()));
  const load = (firstOp: number): Load =>
    startLoad({
      gateways: [stack.up().gateway],
      users,
      ratePerSecond: 50,
      firstOp,
      promptOf: (op) => `${CANARY} ${op}`,
      readEvery: 1_000_000_000,
      history: { write: () => {} },
    });
  const accept = async (firstOp: number, count: number): Promise<void> => {
    const running = load(firstOp);
    await untilTrue("so many are accepted", 60_000, () => running.counts().acknowledged >= count);
    await running.stop();
  };
  const simulator = () => createSimulatorControl(stack.up().ml);
  const openIds = (): Promise<string[]> =>
    stack.withDatabase(async (database) => {
      const rows = await database.run(
        "list the open",
        (sql) =>
          sql<{ id: string }[]>`select request_id as id from requests where status = 'queued'`,
      );
      return rows.map(({ id }) => id);
    });

  test(
    "is backed up under load: PostgreSQL restarts once, its WAL arrives, nothing accepted is lost",
    async () => {
      const running = load(1);
      await untilTrue("the load runs", 30_000, () => running.counts().acknowledged > 20);

      const first = await stack.tollgate("backup", "--repository", repository);
      const second = await stack.tollgate("backup");
      await running.stop();

      expect({ first: first.exitCode, second: second.exitCode }).toEqual({ first: 0, second: 0 });
      expect(first.out).toContain("PostgreSQL restarts once");
      expect(first.out).toContain("full backup");
      expect(second.out).not.toContain("restarts");
      expect(second.out).toContain("incr backup");
      expect(running.counts()).toMatchObject({ refused: 0 });
      const listed = JSON.parse((await stack.tollgate("backup", "list", "--json")).out) as object;
      expect(listed).toMatchObject({ repository, backups: [{ type: "full" }, { type: "incr" }] });
    },
    STEP_LIMIT_MS,
  );

  test(
    "goes on changing before and after the moment that is noted",
    async () => {
      await accept(10_000, 100);
      await simulator().set({ ttft_ms: SLOW_MS });
      await accept(20_000, 60);
      moment = await stack.whileFrozen(async (database) => ({
        content: await contentOf(database),
        openIds: await openIds(),
        atMs: await momentOf(database),
      }));
      await simulator().set({ ttft_ms: 0 });
      const knownIds = new Set(moment.openIds);
      await untilTrue("what was open has ended", 90_000, async () =>
        (await openIds()).every((id) => !knownIds.has(id)),
      );
      late = await addUser();
      expect(
        (await createApi(stack.up().gateway, late.apiKey).post({ prompt: "late" })).status,
      ).toBe(202);
      await accept(30_000, 60);
      await simulator().set({ ttft_ms: SLOW_MS });
      await accept(40_000, 40);
      forgottenIds = await openIds();

      expect(moment.openIds.length).toBeGreaterThan(20);
      expect(forgottenIds.length).toBeGreaterThan(20);
    },
    STEP_LIMIT_MS,
  );

  test(
    "is not restored while the stack runs, nor unasked",
    async () => {
      const to = new Date(moment.atMs).toISOString();

      const running = await stack.tollgate("restore", "--to", to, "--yes");
      expect((await stack.tollgate("down")).exitCode).toBe(0);
      const unasked = await stack.tollgate("restore", "--to", to);
      // Nothing was archived that is later: PostgreSQL gives up, and its data of before come back.
      const tooLate = await stack.tollgate("restore", "--to", new Date().toISOString(), "--yes");
      const early = await stack.tollgate("restore", "--to", "2020-01-01T00:00:00Z", "--yes");

      expect({ exitCode: running.exitCode, err: running.err }).toEqual({
        exitCode: EXIT.alreadyRunning,
        err: expect.stringContaining("./tollgate down") as string,
      });
      expect(unasked.exitCode).toBe(EXIT.usage);
      expect(early.err).toContain("no backup in");
      expect(tooLate.exitCode).toBe(EXIT.failed);
      expect(tooLate.err).toContain("name an earlier one, or --to latest");
      expect(tooLate.out).toContain("Nothing has changed");
    },
    STEP_LIMIT_MS,
  );

  test(
    "is at the moment byte for byte, and no queue has a request that it does not know",
    async () => {
      const before = await stack.withServersOnly(async ({ amqp }) => idsIn(amqp, QUEUE));
      expect(before.some((id) => forgottenIds.includes(id))).toBe(true);

      const restored = await stack.tollgate(
        "restore",
        "--to",
        new Date(moment.atMs).toISOString(),
        "--yes",
      );

      process.stdout.write(restored.out);
      expect({ exitCode: restored.exitCode, err: restored.err }).toEqual({ exitCode: 0, err: "" });
      expect(restored.out).toContain("the books agree");
      expect(restored.out).toMatch(
        /[1-9]\d* messages dropped of requests that PostgreSQL does not know/,
      );
      expect(restored.out).toMatch(/[1-9]\d* requests published/);
      await stack.withServersOnly(async ({ postgres, amqp }) => {
        expect(await onDatabase(postgres, contentOf)).toEqual(moment.content);
        const waiting = await idsIn(amqp, QUEUE);
        expect(waiting.filter((id) => !moment.openIds.includes(id))).toEqual([]);
      });
    },
    STEP_LIMIT_MS,
  );

  test(
    "starts again: what was open then completes, what came later is unknown, a new request completes",
    async () => {
      expect((await stack.tollgate("up", "--detach")).exitCode).toBe(0);
      const { gateway } = stack.up();
      const [user = late] = users;

      await untilTrue(
        "what was open has ended",
        90_000,
        async () => (await openIds()).length === 0,
      );
      const states = await stack.withDatabase((database) =>
        database.run(
          "read how they ended",
          (sql) => sql<{ status: string }[]>`
          select distinct status from requests
          where request_id = any(${textArray(moment.openIds)}::uuid[])`,
        ),
      );
      const api = createApi(gateway, user.apiKey);
      const { request_id: newId } = await api.generate({ prompt: "after", max_tokens: 16 });

      expect([...states]).toEqual([{ status: "completed" }]);
      expect((await api.untilEnded(newId)).status).toBe("completed");
      expect((await api.call(`/status/${forgottenIds[0]}`)).status).toBe(404);
      expect((await createApi(gateway, late.apiKey).post({ prompt: "late" })).status).toBe(401);
      const audit = await stack.tollgate("audit", "--queues");
      expect({ exitCode: audit.exitCode, out: audit.out }).toEqual({
        exitCode: 0,
        out: expect.stringContaining("the books agree") as string,
      });
    },
    STEP_LIMIT_MS,
  );

  test(
    "has no prompt in its backups that anybody could read",
    () => {
      const [user = late] = users;

      // What is not sealed is found, in the backup and in the WAL: the search can find something.
      const found = filesWith(repository, `${user.userId}@example.org`);
      expect(found.some((path) => path.includes("/backup/"))).toBe(true);
      expect(found.some((path) => path.includes("/archive/"))).toBe(true);
      expect(filesWith(repository, CANARY)).toEqual([]);
    },
    STEP_LIMIT_MS,
  );

  test(
    "has backups of which a damaged or missing file is found and named",
    async () => {
      const sound = await stack.tollgate("backup", "verify");
      const files = filesBelow(repository);
      const data = files.find((path) => /pg_data\/base\/.*\.zst$/.test(path)) ?? "";
      const segments = files
        .filter((path) => /\/0000000[12][0-9A-F]{16}-.*\.zst$/.test(path))
        .toSorted();
      const segment = segments[1] ?? "";
      const bytes = readFileSync(data);

      writeFileSync(data, Buffer.from(bytes).fill(0x58, bytes.length - 4));
      const damaged = await stack.tollgate("backup", "verify");
      writeFileSync(data, bytes);
      renameSync(segment, join(repository, "away"));
      const missing = await stack.tollgate("backup", "verify");
      renameSync(join(repository, "away"), segment);
      const mended = await stack.tollgate("backup", "verify");

      expect({ sound: sound.exitCode, mended: mended.exitCode }).toEqual({ sound: 0, mended: 0 });
      expect(damaged.exitCode).toBe(EXIT.failed);
      expect(damaged.out).toContain(data.slice(data.indexOf("pg_data/")));
      expect(missing.exitCode).toBe(EXIT.failed);
      expect(missing.out).toContain("WAL is missing from ");
    },
    STEP_LIMIT_MS,
  );
});

/** Ids of the messages of a queue, which stay. */
async function idsIn(url: string, queue: string): Promise<string[]> {
  const broker = connectAmqp({ url, heartbeatSeconds: 10, name: "drill", log: silentLog });
  try {
    await broker.whenUp(10_000);
    let depth: number | undefined;
    // A broker that has just started counts too early.
    await untilTrue("the queue is counted", 10_000, async () => {
      const before = depth;
      depth = (await queueDepths(broker, [queue])).get(queue)?.ready;
      return depth !== undefined && depth > 0 && depth === before;
    });
    return (await browse(broker, queue, { limit: 10_000 })).map(({ messageId }) =>
      String(messageId),
    );
  } finally {
    await broker.close();
  }
}
