import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { makeAuthority } from "../../local/tls/authority.ts";
import { installations } from "./built.ts";
import { podOf, workload } from "./config.ts";
import { type ConfigMap, ofKind } from "./resources.ts";

const python = Bun.which("python3");
if (python === null) console.warn("SKIPPED, vLLM's probe is not tried: no python3");

const productions = installations.filter(([root]) => root === "overlays/production");

describe.each(productions)("vLLM in k8s/%s", (_root, resources) => {
  const [vllm] = podOf(workload(resources, "ml")).containers;

  test("demands a certificate of the authority from whoever calls", () => {
    expect(vllm?.args).toEqual(
      expect.arrayContaining(["--ssl-ca-certs=/tls/ca.crt", "--ssl-cert-reqs=2"]),
    );
  });

  test("has a name for its user, which no passwd file gives it", () => {
    expect(vllm?.env).toContainEqual({ name: "USER", value: "vllm" });
  });
});

describe.skipIf(python === null).each(productions)("vLLM's probe in k8s/%s", (_root, resources) => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-vllm-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs the command of the manifest's probe, with the files where they are here. */
  async function probe(port: number): Promise<number> {
    const { readinessProbe } = podOf(workload(resources, "ml")).containers[0] ?? {};
    const scripts = ofKind<ConfigMap>(resources, "ConfigMap").find(({ metadata }) =>
      metadata.name.startsWith("vllm-scripts"),
    );
    await Bun.write(join(folder, "ask-health.py"), scripts?.data?.["ask-health.py"] ?? "");
    const command = (readinessProbe?.exec?.command ?? []).map(
      (word) =>
        ({
          "/scripts/ask-health.py": join(folder, "ask-health.py"),
          "/tls": folder,
          "8000": String(port),
        })[word] ?? word,
    );
    return Bun.spawn(command, { stderr: "ignore" }).exited;
  }

  test("is passed by a server that demands a certificate, and only while that is well", async () => {
    const authority = await makeAuthority(join(folder, "authority"));
    const { cert, key } = await authority.issue({ name: "ml", hosts: ["ml.tollgate.svc"] });
    const files = { "ca.crt": authority.ca, "tls.crt": cert, "tls.key": key };
    for (const [name, path] of Object.entries(files)) copyFileSync(path, join(folder, name));
    let status = 200;
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: {
        ca: readFileSync(authority.ca, "utf8"),
        cert: readFileSync(cert, "utf8"),
        key: readFileSync(key, "utf8"),
        requestCert: true,
        rejectUnauthorized: true,
      },
      fetch: ({ url }) => new Response(null, { status: url.endsWith("/health") ? status : 404 }),
    });
    const port = server.port ?? 0;

    const whenWell = await probe(port);
    status = 503;
    const whenIll = await probe(port);
    await server.stop(true);
    const whenGone = await probe(port);

    expect([whenWell, whenIll > 0, whenGone > 0]).toEqual([0, true, true]);
  });
});
