/** Mutual TLS in production: who shows which certificate, and who demands one. */
import { describe, expect, test } from "bun:test";
import { basename, dirname } from "node:path";

import { built, installations } from "./built.ts";
import { configOf, podOf, workload } from "./config.ts";
import { linksOf, podsAt, PROGRAMS } from "./links.ts";
import {
  type Certificate,
  type ConfigMap,
  ofKind,
  type PodMonitor,
  type PostgresCluster,
  type RabbitmqClusterResource,
} from "./resources.ts";
import type { Resource } from "./schemas/check-schema.ts";
import { secretKeys } from "./secrets.ts";

/** Whether a certificate for `name`, which may begin with `*.`, is good for a host. */
function covers(name: string, host: string): boolean {
  if (!name.startsWith("*.")) return name === host;
  return host.slice(host.indexOf(".")) === name.slice(1);
}

function certificateOf(resources: readonly Resource[], secretName: string | undefined) {
  const found = ofKind<Certificate>(resources, "Certificate").find(
    ({ spec }) => spec.secretName === secretName,
  );
  if (found === undefined) throw new Error(`no certificate goes into ${secretName}`);
  return found.spec;
}

/** The secret that a file of a program's container comes from; undefined: it is not mounted. */
function secretOf(resources: readonly Resource[], program: string, path: string) {
  const pod = podOf(workload(resources, program));
  const mount = pod.containers[0]?.volumeMounts?.find(
    ({ mountPath }) => mountPath === dirname(path),
  );
  return pod.volumes?.find(({ name }) => name === mount?.name)?.secret?.secretName;
}

const NGINX = "nginx.ingress.kubernetes.io/";

const productions = installations.filter(([root]) => root === "overlays/production");

describe.each(productions)("in k8s/%s", (_root, resources) => {
  const links = PROGRAMS.flatMap((program) => linksOf(resources, program));
  const [ingress] = ofKind(resources, "Ingress");
  const nginx = (name: string): string => ingress?.metadata.annotations?.[`${NGINX}${name}`] ?? "";
  const [monitor] = ofKind<PodMonitor>(resources, "PodMonitor");
  const [endpoint] = monitor?.spec.podMetricsEndpoints ?? [];
  /** What the roles themselves serve, and the name by which they are called. */
  const served = [
    {
      from: "gateway",
      tls: configOf(resources, "gateway").gateway.tls,
      calledAs: nginx("proxy-ssl-name"),
    },
    ...["gateway", "worker", "collector"].map((role) => ({
      from: role,
      tls: configOf(resources, role).metrics.tls,
      calledAs: endpoint?.tlsConfig?.serverName ?? "",
    })),
  ];

  test("nothing goes to a server in plain text, and every server is shown a certificate", () => {
    for (const program of PROGRAMS)
      expect(configOf(resources, program).allow_plaintext).toBe(false);
    expect(links.length).toBeGreaterThan(PROGRAMS.length);
    for (const { tls } of links)
      expect(Object.keys(tls ?? {}).toSorted()).toEqual(["ca", "cert", "key"]);
  });

  test("every file of a certificate is a key of a secret that is mounted there", () => {
    const keys = secretKeys(resources);

    for (const { from, tls } of [...links, ...served])
      for (const path of Object.values(tls ?? {})) {
        const secret = secretOf(resources, from, path) ?? "";
        expect({ from, path, keys: keys.get(secret) }).toMatchObject({
          keys: expect.arrayContaining([basename(path)]),
        });
      }
  });

  test("gateways and the metrics of all roles are encrypted, and the kubelet asks them so", () => {
    for (const { from, tls, calledAs } of served) {
      const secret = secretOf(resources, from, tls?.cert ?? "");
      expect(certificateOf(resources, secret)).toMatchObject({
        usages: ["server auth"],
        dnsNames: [calledAs],
      });
      // The kubelet could not show one.
      expect(tls?.ca).toBeUndefined();
      const { livenessProbe, readinessProbe, startupProbe } =
        podOf(workload(resources, from)).containers[0] ?? {};
      for (const probe of [livenessProbe, readinessProbe, startupProbe])
        expect(probe?.httpGet?.scheme).toBe("HTTPS");
    }
  });

  test("the ingress and Prometheus check them by the private authority", () => {
    const keys = secretKeys(resources);
    const { name = "", key = "" } = endpoint?.tlsConfig?.ca.secret ?? {};

    expect([nginx("backend-protocol"), nginx("proxy-ssl-verify")]).toEqual(["HTTPS", "on"]);
    expect(keys.get(basename(nginx("proxy-ssl-secret")))).toContain("ca.crt");
    expect(endpoint?.scheme).toBe("https");
    expect(keys.get(name)).toContain(key);
  });

  test("what a program shows may be shown by a client", () => {
    for (const { from, tls } of links) {
      const { usages } = certificateOf(resources, secretOf(resources, from, tls?.cert ?? ""));
      expect(usages).toContain("client auth");
    }
  });

  test("every server has a certificate for the names by which it is called", () => {
    for (const { host } of links) {
      const { dnsNames = [], usages } = certificateOf(
        resources,
        podsAt(resources, host).certificate,
      );
      expect({ host, isNamed: dnsNames.some((name) => covers(name, host)) }).toEqual({
        host,
        isNamed: true,
      });
      expect(usages).toContain("server auth");
    }
  });

  test("KEDA asks RabbitMQ by a name of its certificate", () => {
    const keda = ofKind<ConfigMap>(resources, "ConfigMap").find(
      ({ metadata }) => metadata.name === "keda-rabbitmq",
    );
    const { protocol, hostname } = new URL(keda?.data?.["host"] ?? "");
    const { dnsNames = [] } = certificateOf(resources, podsAt(resources, hostname).certificate);

    expect(protocol).toBe("https:");
    expect(dnsNames).toContain(hostname);
  });

  test("every certificate goes into a secret of its own", () => {
    const secrets = ofKind<Certificate>(resources, "Certificate").map(
      ({ spec }) => spec.secretName,
    );

    expect(new Set(secrets).size).toBe(secrets.length);
  });

  test("RabbitMQ refuses plain text, and who has no certificate", () => {
    const [rabbitmq] = ofKind<RabbitmqClusterResource>(resources, "RabbitmqCluster");
    const lines = rabbitmq?.spec.rabbitmq.additionalConfig.split("\n");

    expect(rabbitmq?.spec.tls).toMatchObject({
      caSecretName: "rabbitmq-tls",
      disableNonTLSListeners: true,
    });
    expect(lines).toContain("ssl_options.verify = verify_peer");
    expect(lines).toContain("ssl_options.fail_if_no_peer_cert = true");
  });

  test("every PostgreSQL, the restored one too, is named in its certificate and believes our clients", () => {
    const clusters = ofKind<PostgresCluster>([...resources, ...(built?.restore ?? [])], "Cluster");

    expect(clusters.length).toBe(2);
    for (const { metadata, spec } of clusters) {
      const { serverTLSSecret, serverCASecret, clientCASecret, replicationTLSSecret } =
        spec.certificates;
      expect(certificateOf(resources, serverTLSSecret).dnsNames).toContain(
        `${metadata.name}-rw.tollgate.svc`,
      );
      expect([serverCASecret, clientCASecret]).toEqual([serverTLSSecret, serverTLSSecret]);
      expect(certificateOf(resources, replicationTLSSecret)).toMatchObject({
        commonName: "streaming_replica",
        usages: ["client auth"],
      });
      expect(spec.postgresql.pg_hba).toEqual(clusters[0]?.spec.postgresql.pg_hba ?? []);
    }
  });
});
