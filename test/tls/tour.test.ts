import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

import { pingPostgres } from "../../adapters/ping.ts";
import { PROJECT_ROOT, statePaths } from "../../adapters/state/paths.ts";
import { readUpJson } from "../../adapters/state/up-json.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import { findBinaries } from "../../local/servers/binaries.ts";
import { commandsWith, type Tollgate } from "../cli/command.ts";
import { copyCheckout } from "../support/copy-checkout.ts";

const isInstalled = Object.keys(findBinaries(process.env["PATH"] ?? "")).length === 3;
if (!isInstalled) console.warn("SKIPPED, the tour: PostgreSQL, Redis or RabbitMQ is not installed");

const UP_LIMIT_MS = 110_000;
const TOUR_LIMIT_MS = 90_000;

/** The commands of README's first five minutes. */
async function readTour(): Promise<string> {
  const readme = await Bun.file(join(PROJECT_ROOT, "README.md")).text();
  const [, part = ""] = readme.split("## Five minutes");
  const [tour = ""] = part.split("\n## ");
  return [...tour.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block).join("\n");
}

/** What a server answers to somebody who speaks no TLS; empty: it closes, or says nothing. */
function answerInPlain(url: string): Promise<string> {
  const { port, protocol } = new URL(url);
  const hello = protocol === "amqps:" ? "AMQP\0\0\u0009\u0001" : "PING\r\n";
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(Number(port), "127.0.0.1", () => socket.write(hello));
    socket.setTimeout(2_000, () => socket.destroy());
    socket.on("data", (data) => (answer += data.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}

describe.skipIf(!isInstalled).each([
  ["plain", []],
  ["encrypted", ["--tls"]],
])("README's five minutes, %s", (how, flags) => {
  let folder: string;
  let env: Record<string, string>;
  let tollgate: Tollgate;
  const up = () => readUpJson(statePaths(join(folder, ".tollgate")));

  beforeAll(async () => {
    folder = copyCheckout();
    // The real one would look for packages to install, which are those of this checkout.
    const commands = `#!/bin/sh\nexec '${process.execPath}' '${join(folder, "cli/main.ts")}' "$@"\n`;
    writeFileSync(join(folder, "tollgate"), commands, { mode: 0o755 });
    const [gateway, metrics, worker, collector, simulator] = await findFreePorts(5);
    env = {
      TOLLGATE_SERVERS: "local",
      TOLLGATE_GATEWAY__PORT: String(gateway),
      TOLLGATE_GATEWAY__METRICS_PORT: String(metrics),
      TOLLGATE_WORKER__METRICS_PORT: String(worker),
      TOLLGATE_COLLECTOR__METRICS_PORT: String(collector),
      ML_SIM_PORT: String(simulator),
    };
    tollgate = commandsWith(env, folder, UP_LIMIT_MS);
  });
  afterAll(async () => {
    await tollgate("down", "--purge", "--yes");
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  test(
    "are as they say",
    async () => {
      const upped = await tollgate("up", "--detach", ...flags);
      expect({ exitCode: upped.exitCode, err: upped.err }).toEqual({ exitCode: 0, err: "" });
      const { gateway = "", tls } = up() ?? {};
      const tour = (await readTour()).replace(
        "API=http://localhost:8080",
        `API=${gateway.replace("127.0.0.1", "localhost")}`,
      );

      const ran = Bun.spawn(["bash", "-eu", "-c", tour], {
        cwd: folder,
        env: {
          ...env,
          PATH: process.env["PATH"] ?? "",
          ...(tls && { CURL_CA_BUNDLE: tls.ca }),
        },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
        timeout: TOUR_LIMIT_MS,
      });
      const [out, err] = await Promise.all([
        new Response(ran.stdout).text(),
        new Response(ran.stderr).text(),
      ]);

      expect({ exitCode: await ran.exited, err }).toEqual({ exitCode: 0, err: "" });
      expect(out.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 202", "HTTP/1.1 202", "HTTP/1.1 429"]);
      expect(out.match(/"status":"completed"/g)).toHaveLength(3);
      expect(out).toContain("the books agree");
    },
    UP_LIMIT_MS + TOUR_LIMIT_MS,
  );

  test.skipIf(how === "plain" || Bun.which("pgbackrest") === null)(
    "and its database can be backed up",
    async () => {
      const backup = await tollgate("backup");
      const verified = await tollgate("backup", "verify");

      expect([backup.exitCode, verified.exitCode]).toEqual([0, 0]);
    },
    UP_LIMIT_MS,
  );

  test.skipIf(how === "plain")(
    "and none of its servers speaks to who does not encrypt",
    async () => {
      const { postgres = "", redis = "", amqp = "", gateway = "", metrics } = up() ?? {};

      expect(await answerInPlain(redis)).not.toMatch(/PONG|NOAUTH/);
      expect(await answerInPlain(amqp)).not.toContain("RabbitMQ");
      for (const url of [gateway, ...Object.values(metrics ?? {})]) {
        const plain = fetch(url.replace("https:", "http:"), { signal: AbortSignal.timeout(5_000) });
        expect(
          await plain.then(
            () => "answers",
            () => "refuses",
          ),
        ).toBe("refuses");
      }
      const plain = new URL(postgres);
      plain.search = "?sslmode=disable";
      await pingPostgres(postgres, 5_000);
      const refusal = await pingPostgres(plain.href, 5_000).catch((error: Error) => error.message);
      expect(refusal).toContain("no pg_hba.conf entry");
    },
  );
});
