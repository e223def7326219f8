/** The Helm chart: it repeats k8s/base, and its values change what they say. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { chartCopies } from "./copies.ts";
import { CHART, findHelm, VALUES_NEEDED as NEEDED } from "./helm.ts";
import { build, findKustomize } from "./kustomize.ts";
import type { Resource } from "./schemas/check-schema.ts";

/** Without a cluster, Helm believes in an old one. */
const TEMPLATE = ["template", "tollgate", CHART, "--kube-version", "1.34.0"];
/** Not made from the base. */
const OWN_TEMPLATES = ["NOTES.txt", "_helpers.tpl", "config.yaml", "ingress.yaml", "secrets.yaml"];

const copies = chartCopies();
const helm = findHelm();
const { command: kustomize } = findKustomize();
if (helm === undefined)
  console.warn("SKIPPED, what Helm makes of the chart: ./tollgate drill cluster --build brings it");

test.skipIf(copies === null)(
  "the templates are those that follow from k8s/base (bun test/k8s/copies.ts writes them)",
  async () => {
    const wanted = Object.fromEntries((copies ?? []).map(({ path, text }) => [path, text]));
    const folder = join(CHART, "templates");
    const there = readdirSync(folder).filter((name) => !OWN_TEMPLATES.includes(name));
    const found = await Promise.all(
      there.map(async (name) => [join(folder, name), await Bun.file(join(folder, name)).text()]),
    );

    expect(Object.fromEntries(found)).toEqual(wanted);
  },
);

function run(args: readonly string[], values: object) {
  const ran = Bun.spawnSync([helm ?? "", ...args, "--values", "-"], {
    stdin: Buffer.from(JSON.stringify(values)),
    env: { PATH: process.env["PATH"] ?? "", HELM_CACHE_HOME: "/nowhere", HOME: "/nowhere" },
  });
  return { isOk: ran.success, out: ran.stdout.toString(), err: ran.stderr.toString() };
}

function rendered(values: object, namespace = "tollgate"): Resource[] {
  const { isOk, out, err } = run([...TEMPLATE, "-n", namespace], values);
  if (!isOk) throw new Error(err);
  return [Bun.YAML.parse(out)].flat().filter((one) => one !== null) as Resource[];
}

const nameOf = ({ kind, metadata: { name } }: Resource): string => `${kind} ${name}`;

/** Without what the two mean to say differently. */
function comparable(resource: Resource): unknown {
  const text = JSON.stringify(resource)
    .replaceAll(/tollgate-config-[0-9a-z]{10}/g, "tollgate-config")
    .replaceAll('"migrate-1"', '"migrate"')
    .replaceAll(/"annotations":(\{"checksum\/config":"[0-9a-f]+"\}|\{\}),?/g, "")
    .replaceAll(/,"imagePullPolicy":"IfNotPresent"/g, "")
    .replaceAll(/,?"scheme":"(HTTP|http)"/g, "")
    .replaceAll(/,?"tlsConfig":\{\}/g, "")
    .replaceAll(/"image":"tollgate(:0\.1\.0)?"/g, '"image":"tollgate"');
  return JSON.parse(text.replaceAll(",}", "}"));
}

describe.skipIf(helm === undefined)("the chart", () => {
  test("has no fault that Helm's lint finds", () => {
    const { isOk, out } = run(["lint", CHART, "--strict"], NEEDED);

    expect({ isOk, failures: out.match(/\[(ERROR|WARNING)\].*/g) }).toEqual({
      isOk: true,
      failures: null,
    });
  });

  test.skipIf(kustomize === null)("makes of its defaults what kustomize makes of k8s/base", () => {
    const scaling = { ...NEEDED.scaling, ml: { enabled: true } };
    const values = { ...NEEDED, scaling, networkPolicies: { enabled: true } };
    const ofChart = rendered(values).filter(({ kind }) => kind !== "Secret");
    const ofBase = build(kustomize ?? [], "base").filter(
      (one) => !["Namespace tollgate", "ServiceAccount server"].includes(nameOf(one)),
    );
    const byName = (all: readonly Resource[]) =>
      Object.fromEntries(
        all.map(comparable).map((one) => [nameOf(one as Resource), withoutConfig(one as Resource)]),
      );

    expect(byName(ofChart)).toEqual(byName(ofBase));
  });

  test("has the shipped configuration, with the models and tiers that it is given", () => {
    const models = {
      mine: { protocol: "openai-chat", url: "https://ml.example/v1/chat/completions" },
    };
    const config = { default_model: "mine", gateway: { outbox_max: 7 } };

    const shipped = configOf(rendered(NEEDED));
    const own = configOf(rendered({ ...NEEDED, models, config }));

    expect(shipped).toEqual(Bun.YAML.parse(shippedText) as Shipped);
    expect(own).toMatchObject({ models, default_model: "mine", gateway: { outbox_max: 7 } });
    expect(Object.keys(own.models)).toEqual(["mine"]);
    expect(own.tiers).toEqual(shipped.tiers);
  });

  test("rolls the pods when the configuration changes", () => {
    const sums = [{}, { config: { log_level: "debug" } }].map((change) =>
      JSON.stringify(rendered({ ...NEEDED, ...change })).match(/"checksum\/config":"\w+"/g),
    );

    expect(new Set(sums[0]).size).toBe(1);
    expect(sums[0]?.[0]).not.toBe(sums[1]?.[0] ?? "");
  });

  test("without scaling runs so many as it is told, and needs no KEDA", () => {
    const { servers, secrets } = NEEDED;
    const scaling = { enabled: false };
    const all = rendered({ servers, secrets, scaling, worker: { replicas: 5 } });

    expect(all.some(({ apiVersion }) => apiVersion.startsWith("keda.sh"))).toBe(false);
    const worker = all.find((one) => nameOf(one) === "Deployment worker");
    expect(worker).toMatchObject({ spec: { replicas: 5 } });
  });

  test("asks ports with a certificate by https", () => {
    const tls = { cert: "/tls/tls.crt", key: "/tls/tls.key" };
    const all = rendered({ ...NEEDED, config: { metrics: { tls }, gateway: { tls } } });

    const schemes = JSON.stringify(all).match(/"scheme":"\w+"/g);
    expect(new Set(schemes)).toEqual(new Set(['"scheme":"HTTPS"', '"scheme":"https"']));
  });

  test("asks its own namespace's metrics, wherever it is", () => {
    const queries = JSON.stringify(rendered(NEEDED, "elsewhere")).match(/namespace=\\"\w+\\"/g);

    expect(new Set(queries)).toEqual(new Set(['namespace=\\"elsewhere\\"']));
  });

  test.each([
    [{}, "servers.databaseUrl, or servers.existingSecret, must be set"],
    [{ ...NEEDED, secrets: {} }, "secrets.encryptionKeys, or secrets.existingSecret, must be set"],
    [{ ...NEEDED, scaling: {} }, "scaling.rabbitmq must have host, username and password"],
    [{ ...NEEDED, wroker: {} }, "wroker"],
    [{ ...NEEDED, config: { gateway: { port: 81 } } }, "the chart's pods listen on 8080"],
    [
      { ...NEEDED, servers: { ...NEEDED.servers, existingSecret: "a" } },
      "servers: give the URLs or existingSecret, not both",
    ],
  ])("says what is missing or unknown: %#", (values, message) => {
    expect(run(TEMPLATE, values).err).toContain(message);
  });
});

const shippedText = await Bun.file(join(PROJECT_ROOT, "tollgate.yaml")).text();

interface Shipped {
  models: object;
  tiers: object;
}

function configOf(all: readonly Resource[]): Shipped {
  const found = all.find((one) => nameOf(one) === "ConfigMap tollgate-config");
  const { data } = found as unknown as { data: Record<string, string> };
  return Bun.YAML.parse(data["tollgate.yaml"] ?? "") as Shipped;
}

/** Its text is written anew by Helm; another test compares what it says. */
function withoutConfig(resource: Resource): unknown {
  if (nameOf(resource) !== "ConfigMap tollgate-config") return resource;
  return { ...resource, data: "compared apart" };
}
