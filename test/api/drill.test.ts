import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type ApiError, type KubeApi, openApi } from "../../drill/kube/api.ts";
import { readCluster } from "../../drill/timeline/read-cluster.ts";
import { findProgram } from "../../local/cluster/programs.ts";
import { type ApiServer, startApiServer } from "./api-server.ts";

const programs = ["etcd", "kube-apiserver", "kubectl"] as const;
const [etcd, apiServer, kubectl] = programs.map((name) => findProgram(name, process.env));
const LIMIT_MS = 60_000;
const MAP = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt";

describe.skipIf(!etcd || !apiServer || !kubectl)("the drill's way to an API server", () => {
  let server: ApiServer;
  let api: KubeApi;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tollgate-drill-api-"));
    server = await startApiServer({ etcd: etcd ?? "", apiServer: apiServer ?? "" });
    const program = { kubectl: kubectl ?? "", kubeconfig: server.kubeconfig };
    api = await openApi(program, folder, AbortSignal.timeout(LIMIT_MS));
  }, LIMIT_MS);
  afterAll(async () => {
    await api.close();
    await server.stop();
    rmSync(folder, { recursive: true });
  }, LIMIT_MS);

  test("tells what is not there from what fails", async () => {
    const failure = (await api.get(MAP).catch((error: unknown) => error)) as ApiError;

    expect(await api.find(MAP)).toBeUndefined();
    expect(failure.status).toBe(404);
    expect(await api.find<object>("/api/v1/namespaces/default")).toBeDefined();
  });

  test("merges fields: null takes one away, and what is not named stays", async () => {
    const path = "/api/v1/namespaces/default";
    const labels = async () =>
      (await api.get<{ metadata: { labels: Record<string, string> } }>(path)).metadata.labels;

    await api.merge(path, { metadata: { labels: { one: "1", two: "2" } } });
    await api.merge(path, { metadata: { labels: { one: null } } });

    expect(await labels()).toEqual({ "kubernetes.io/metadata.name": "default", two: "2" });
  });

  test("removes, and removes again", async () => {
    const path = "/api/v1/namespaces/passing";
    await fetch("http://localhost/api/v1/namespaces", {
      unix: join(folder, "api.sock"),
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ metadata: { name: "passing" } }),
    });

    await api.remove(path);

    expect(await api.find<{ metadata: object }>(path)).toMatchObject({
      metadata: { deletionTimestamp: expect.any(String) },
    });
    await api.remove("/api/v1/namespaces/never-there");
  });

  test("reads a cluster without Tollgate and without Prometheus as nothing", async () => {
    const none = { wanted: 0, ready: 0 };

    expect(await readCluster(api, "tollgate")).toEqual({
      replicas: { worker: none, gateway: none, ml: none },
      queued: null,
      waiting: null,
      oldestSeconds: null,
      tokensRunnable: null,
      tokensPerMinute: null,
    });
  });
});
