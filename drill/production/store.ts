import type { Kubectl } from "./kubectl.ts";

const NAMESPACE = "s3";
export const STORE_BUCKET = "tollgate-backups";
/** The names of the overlay's `backups.yaml`. */
const CA_SECRET = "backup-storage-ca";
const READY_LIMIT = "--timeout=3m";
const READY_LIMIT_MS = 200_000;

export interface StoreKeys {
  accessKeyId: string;
  secretAccessKey: string;
}

/**
 * A store that speaks S3 at `https://store.s3.svc`, as somebody else would have it: in its own namespace,
 * with a certificate of its own authority, whose certificate goes into `tollgate`. Port 443 at the pod too:
 * the network policies of PostgreSQL let nothing else out.
 */
export async function startStore(kubectl: Kubectl, keys: StoreKeys): Promise<void> {
  await kubectl.apply(certificates());
  await kubectl.apply(workload(keys));
  const wait = (...args: string[]): Promise<string> =>
    kubectl.run(["-n", NAMESPACE, "wait", READY_LIMIT, ...args], { limitMs: READY_LIMIT_MS });
  await wait("--for=condition=Ready", "certificate/store");
  await wait("--for=condition=Available", "deployment/store");
  const { data } = await kubectl.get<{ data: Record<string, string> }>([
    "-n",
    NAMESPACE,
    "secret",
    "store-tls",
  ]);
  await kubectl.apply([
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: CA_SECRET, namespace: "tollgate" },
      data: { "ca.crt": data["ca.crt"] },
    },
  ]);
}

const inStore = (name: string) => ({ name, namespace: NAMESPACE });

function certificates(): unknown[] {
  const issued = { apiVersion: "cert-manager.io/v1", kind: "Certificate" };
  const issuer = { apiVersion: "cert-manager.io/v1", kind: "Issuer" };
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
    { ...issuer, metadata: inStore("self-signed"), spec: { selfSigned: {} } },
    {
      ...issued,
      metadata: inStore("ca"),
      spec: {
        isCA: true,
        commonName: "store",
        secretName: "ca",
        privateKey: { algorithm: "ECDSA", size: 256 },
        issuerRef: { kind: "Issuer", name: "self-signed" },
      },
    },
    { ...issuer, metadata: inStore("ca"), spec: { ca: { secretName: "ca" } } },
    {
      ...issued,
      metadata: inStore("store"),
      spec: {
        secretName: "store-tls",
        dnsNames: ["store.s3.svc"],
        privateKey: { algorithm: "ECDSA", size: 256 },
        issuerRef: { kind: "Issuer", name: "ca" },
      },
    },
  ];
}

function workload({ accessKeyId, secretAccessKey }: StoreKeys): unknown[] {
  const labels = { "app.kubernetes.io/name": "store" };
  const data = { name: "data", mountPath: "/data" };
  const tls = { name: "tls", mountPath: "/tls", readOnly: true };
  const spec = {
    securityContext: {
      runAsUser: 65_532,
      runAsGroup: 65_532,
      fsGroup: 65_532,
      // It may listen at 443 without being root.
      sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }],
    },
    initContainers: [
      {
        name: "bucket",
        image: "docker.io/library/debian:trixie-slim",
        imagePullPolicy: "Never",
        command: ["mkdir", "-p", `/data/${STORE_BUCKET}`],
        volumeMounts: [data],
      },
    ],
    containers: [
      {
        name: "versitygw",
        image: "docker.io/versity/versitygw:v1.8.0",
        imagePullPolicy: "Never",
        args: ["--port", ":443", "--cert", "/tls/tls.crt", "--key", "/tls/tls.key"].concat([
          "posix",
          "/data",
        ]),
        env: [
          { name: "ROOT_ACCESS_KEY", value: accessKeyId },
          { name: "ROOT_SECRET_KEY", value: secretAccessKey },
        ],
        readinessProbe: { tcpSocket: { port: 443 }, periodSeconds: 2 },
        volumeMounts: [data, tls],
      },
    ],
    volumes: [
      { name: "data", emptyDir: {} },
      { name: "tls", secret: { secretName: "store-tls" } },
    ],
  };
  return [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: inStore("store"),
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: inStore("store"),
      spec: { selector: labels, ports: [{ port: 443, targetPort: 443 }] },
    },
  ];
}
