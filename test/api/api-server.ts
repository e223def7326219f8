import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { newPassword } from "../../local/servers/password.ts";
import { lastTellingLine } from "../../local/processes/log-tail.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import { openLog, WITH_PARENT } from "../../local/processes/processes.ts";
import { makeAuthority } from "../../local/tls/authority.ts";
import { until } from "../support/until.ts";

export interface ApiServer {
  /** The file by which kubectl finds it, as its administrator. */
  kubeconfig: string;
  /** Ends it with its etcd, and removes all that they wrote. */
  stop: () => Promise<void>;
}

const START_LIMIT_MS = 45_000;
const HOST = "127.0.0.1";

/**
 * An API server with an etcd behind it, on loopback, in a folder of their own. There are no controllers and
 * no nodes: what is applied is checked and kept, and nothing acts on it.
 */
export async function startApiServer(programs: {
  etcd: string;
  apiServer: string;
}): Promise<ApiServer> {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-api-"));
  const [clients = 0, peers = 0, port = 0] = await findFreePorts(3);
  const running: Bun.Subprocess[] = [];
  const start = (name: string, command: readonly string[]): void => {
    const log = openLog(join(folder, `${name}.log`));
    running.push(
      Bun.spawn([...WITH_PARENT, ...command], {
        cwd: folder,
        stdin: "ignore",
        stdout: log,
        stderr: log,
      }),
    );
  };
  const stop = async (): Promise<void> => {
    // Nothing is kept, so nothing has to end in order.
    for (const one of running) one.kill("SIGKILL");
    await Promise.all(running.map((one) => one.exited));
    rmSync(folder, { recursive: true, force: true });
  };

  try {
    const authority = await makeAuthority(folder, "Test of the API");
    const tls = await authority.issue({ name: "kube-apiserver", hosts: [HOST] });
    const accounts = await authority.issue({ name: "service-accounts" });
    const token = newPassword();
    const tokens = join(folder, "tokens.csv");
    writeFileSync(tokens, `${token},admin,admin,system:masters\n`, { mode: 0o600 });
    const etcdUrl = `http://${HOST}:${clients}`;
    const peerUrl = `http://${HOST}:${peers}`;
    start("etcd", [
      programs.etcd,
      `--data-dir=${join(folder, "etcd")}`,
      "--unsafe-no-fsync",
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=default=${peerUrl}`,
    ]);
    start("kube-apiserver", [
      programs.apiServer,
      `--etcd-servers=${etcdUrl}`,
      `--bind-address=${HOST}`,
      `--advertise-address=${HOST}`,
      `--secure-port=${port}`,
      // Else it wants to name itself in the cluster, for which a loopback address will not do.
      "--endpoint-reconciler-type=none",
      "--service-cluster-ip-range=10.96.0.0/16",
      `--tls-cert-file=${tls.cert}`,
      `--tls-private-key-file=${tls.key}`,
      `--token-auth-file=${tokens}`,
      "--authorization-mode=RBAC",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-signing-key-file=${accounts.key}`,
      `--service-account-key-file=${accounts.cert}`,
    ]);
    const server = `https://${HOST}:${port}`;
    const kubeconfig = join(folder, "kubeconfig.json");
    writeFileSync(kubeconfig, kubeconfigText(server, authority.ca, token), { mode: 0o600 });
    const ca = readFileSync(authority.ca, "utf8");
    const isReady = async (): Promise<boolean> => {
      if (running.some(({ exitCode }) => exitCode !== null))
        throw new Error(`ended at once: ${lastTellingLine(join(folder, "kube-apiserver.log"))}`);
      const headers = { authorization: `Bearer ${token}` };
      return await fetch(`${server}/readyz`, { headers, tls: { ca } }).then(
        ({ ok }) => ok,
        () => false,
      );
    };
    await until(isReady, START_LIMIT_MS);
    return { kubeconfig, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const kubeconfigText = (server: string, ca: string, token: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    clusters: [{ name: "test", cluster: { server, "certificate-authority": ca } }],
    users: [{ name: "admin", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "admin" } }],
  });
