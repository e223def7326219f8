import { describe, expect, test } from "bun:test";
import { SECRET_VARIABLES } from "../../adapters/state/secrets.ts";

import { built, installations } from "./built.ts";
import { configOf, podOf, workload } from "./config.ts";
import { copies } from "./copies.ts";
import {
  type Container,
  type EnvVar,
  isWorkload,
  ofKind,
  type PodSpec,
  type TriggerAuthentication,
} from "./resources.ts";
import { secretKeys } from "./secrets.ts";
import type { Resource } from "./schemas/check-schema.ts";

/** What closing connections may take on top of a drain. */
const CLOSE_MS = 5_000;
const ROLES = ["gateway", "worker", "collector"] as const;

const containersOf = (pod: PodSpec): Container[] => [
  ...(pod.initContainers ?? []),
  ...pod.containers,
];

const valueOf = (env: readonly EnvVar[], name: string): string | undefined =>
  env.find((entry) => entry.name === name)?.value;

const graceMs = (resources: readonly Resource[], name: string): number =>
  (podOf(workload(resources, name)).terminationGracePeriodSeconds ?? 30) * 1_000;

test("files that repeat another one are equal to it (bun test/k8s/copies.ts writes them)", async () => {
  for (const { path, text } of await copies()) {
    expect(await Bun.file(path).text()).toBe(text);
  }
});

describe.skipIf(built === null).each(installations)("pods of k8s/%s", (_root, resources) => {
  test("leave the files of their volumes to their owner when they start again", () => {
    const groups = resources.filter(isWorkload).flatMap((one) => {
      const { fsGroup, fsGroupChangePolicy } = podOf(one).securityContext ?? {};
      return fsGroup === undefined ? [] : [{ name: one.metadata.name, fsGroupChangePolicy }];
    });

    expect(groups.filter((group) => group.fsGroupChangePolicy !== "OnRootMismatch")).toEqual([]);
  });

  test("fit the pod security standard `restricted`, with a read-only root for our own image", () => {
    const problems = resources.filter(isWorkload).flatMap((one) => {
      const { securityContext } = podOf(one);
      const bad: string[] = [];
      if (securityContext?.runAsNonRoot !== true) bad.push("runs as root");
      if (securityContext?.seccompProfile?.type !== "RuntimeDefault")
        bad.push("no seccomp profile");
      if (podOf(one).automountServiceAccountToken !== false) bad.push("has a token");
      for (const { name, image, securityContext: own } of containersOf(podOf(one))) {
        if (own?.allowPrivilegeEscalation !== false) bad.push(`${name} may gain privileges`);
        if (own?.capabilities?.drop?.includes("ALL") !== true) bad.push(`${name} has capabilities`);
        if (image.includes("tollgate") && own?.readOnlyRootFilesystem !== true)
          bad.push(`${name} may write to its root`);
      }
      return bad.map((text) => `${one.metadata.name}: ${text}`);
    });

    expect(problems).toEqual([]);
  });

  test("say what memory they need and at most take", () => {
    const lacking = resources
      .filter(isWorkload)
      .flatMap((one) => containersOf(podOf(one)))
      .filter(({ resources: own }) => !own?.requests?.["cpu"] || !own.limits?.["memory"]);

    expect(lacking).toEqual([]);
  });

  test("are alive without any server, also before they began, and ready only with them", () => {
    for (const role of ROLES) {
      const container = podOf(workload(resources, role)).containers[0];

      // The port of the API is not open before the servers are there.
      const live = { path: "/health/live", port: "metrics" };
      expect(container?.startupProbe?.httpGet).toMatchObject(live);
      // A probe that comes before the port is open is an event that looks like trouble.
      expect(container?.startupProbe?.initialDelaySeconds).toBeGreaterThan(0);
      expect(container?.livenessProbe?.httpGet).toMatchObject(live);
      expect(container?.readinessProbe?.httpGet?.path).toBe("/health/ready");
    }
  });

  test("read only keys that their secrets have", () => {
    const keys = secretKeys(resources);
    const wanted = [
      ...resources
        .filter(isWorkload)
        .flatMap((one) => [
          ...containersOf(podOf(one)).flatMap(({ env = [] }) =>
            env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []),
          ),
          ...(podOf(one).volumes ?? []).flatMap(({ secret }) =>
            (secret?.items ?? []).map(({ key }) => ({ name: secret?.secretName ?? "", key })),
          ),
        ]),
      ...ofKind<TriggerAuthentication>(resources, "TriggerAuthentication").flatMap(
        ({ spec }) => spec.secretTargetRef ?? [],
      ),
    ];

    expect(wanted.length).toBeGreaterThan(0);
    expect(wanted.filter(({ name, key }) => keys.get(name)?.includes(key) !== true)).toEqual([]);
  });

  test("are given the pepper of API keys where they are gateways, and else nowhere", () => {
    const given = resources
      .filter(isWorkload)
      .filter((one) =>
        containersOf(podOf(one)).some(({ env = [] }) =>
          env.some(({ name }) => name === SECRET_VARIABLES.keyPepper),
        ),
      );

    expect(given.map(({ metadata }) => metadata.name)).toEqual(["gateway"]);
  });

  test("mount only config maps and secrets that exist", () => {
    const configs = new Set(ofKind(resources, "ConfigMap").map(({ metadata }) => metadata.name));
    const keys = secretKeys(resources);
    const volumes = resources.filter(isWorkload).flatMap((one) => podOf(one).volumes ?? []);

    expect(
      volumes.filter(
        ({ configMap, secret }) =>
          (configMap !== undefined && !configs.has(configMap.name)) ||
          (secret !== undefined && !keys.has(secret.secretName)),
      ),
    ).toEqual([]);
  });

  test("refer inside a variable only to variables named before it", () => {
    const late = resources.filter(isWorkload).flatMap((one) =>
      containersOf(podOf(one)).flatMap(({ env = [] }) =>
        env.flatMap(({ name, value = "" }, index) =>
          [...value.matchAll(/\$\((\w+)\)/g)]
            .map(([, used]) => used)
            .filter((used) => !env.slice(0, index).some((earlier) => earlier.name === used))
            .map((used) => `${one.metadata.name}: ${name} uses ${used}`),
        ),
      ),
    );

    expect(late).toEqual([]);
  });

  test("use accounts that exist", () => {
    const accounts = new Set(
      ofKind(resources, "ServiceAccount").map(({ metadata }) => metadata.name),
    );
    const used = resources
      .filter(isWorkload)
      .map((one) => podOf(one).serviceAccountName ?? "default");

    expect(used.filter((name) => !accounts.has(name))).toEqual([]);
  });

  test.each([...ROLES])("the %s's file and variables are a valid configuration", (role) => {
    expect(() => configOf(resources, role)).not.toThrow();
  });

  test("have longer to end than they take to drain", () => {
    const { gateway } = configOf(resources, "gateway");
    const { worker, models } = configOf(resources, "worker");
    const { collector } = configOf(resources, "collector");
    const longestAttemptMs = Math.max(...Object.values(models).map(({ timeout_ms }) => timeout_ms));

    expect(graceMs(resources, "gateway")).toBeGreaterThanOrEqual(
      gateway.drain_delay_ms + gateway.drain_ms + CLOSE_MS,
    );
    expect(worker.grace_ms).toBeGreaterThan(longestAttemptMs);
    expect(graceMs(resources, "worker")).toBeGreaterThanOrEqual(worker.grace_ms + CLOSE_MS);
    expect(graceMs(resources, "collector")).toBeGreaterThanOrEqual(collector.grace_ms + CLOSE_MS);
    expect(graceMs(resources, "ml")).toBeGreaterThan(longestAttemptMs);
  });

  test("serve metrics on 9090 and listen on every address", () => {
    for (const role of ROLES) {
      const env = podOf(workload(resources, role)).containers[0]?.env ?? [];
      const section = `TOLLGATE_${role.toUpperCase()}__`;

      expect(valueOf(env, `${section}HOST`)).toBe("0.0.0.0");
      expect(valueOf(env, `${section}METRICS_PORT`)).toBe("9090");
    }
  });
});

test.skipIf(built === null)(
  "Bun's bound on calls at once is above those of all models together",
  async () => {
    const dockerfile = await Bun.file(new URL("../../Dockerfile", import.meta.url)).text();
    const callsMax = Number(/BUN_CONFIG_MAX_HTTP_REQUESTS=(\d+)/.exec(dockerfile)?.[1]);

    for (const [, resources] of installations) {
      const { worker, models } = configOf(resources, "worker");
      const ofModels = Object.values(models).map(({ concurrency_max }) =>
        Math.min(worker.actors, concurrency_max),
      );
      // A hundred models more, because they are added in the configuration and not in the image.
      expect(callsMax).toBeGreaterThan(
        ofModels.reduce((sum, one) => sum + one, 0) + 100 * Math.max(...ofModels),
      );
    }
  },
);
