import { forwardPort } from "../kube/port-forward.ts";
import { readSecrets } from "./books.ts";
import { type Kubectl, podsOf } from "./kubectl.ts";
import { NAMESPACE } from "./parts.ts";
import { openPlainDoor } from "./plain-door.ts";

/** Ways from this machine to encrypted ports of pods, as plain HTTP. */
export interface Doors {
  urls: readonly string[];
  close: () => Promise<void>;
}

const GATEWAY = {
  selector: "app.kubernetes.io/name=gateway",
  port: 8080,
  secret: "ingress-client-tls",
};
const ML = { selector: "app.kubernetes.io/name=ml", port: 8000, secret: "tollgate-client-tls" };

/** One to each gateway, as the ingress has: it checks the gateway's certificate. */
export const openGateways = (kubectl: Kubectl, signal: AbortSignal): Promise<Doors> =>
  openDoors(kubectl, { ...GATEWAY, serverName: "gateway.tollgate.svc" }, signal);

/** One to each ML service, as workers have. */
export const openMl = (kubectl: Kubectl, signal: AbortSignal): Promise<Doors> =>
  openDoors(kubectl, { ...ML, serverName: "ml.tollgate.svc" }, signal);

async function openDoors(
  kubectl: Kubectl,
  behind: typeof GATEWAY & { serverName: string },
  signal: AbortSignal,
): Promise<Doors> {
  const secret = await readSecrets(kubectl, behind.secret);
  const [ca = "", cert = "", key = ""] = ["ca.crt", "tls.crt", "tls.key"].map(
    (file) => secret[file],
  );
  const undo: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const urls: string[] = [];
    for (const pod of await podsOf(kubectl, NAMESPACE, behind.selector)) {
      const target = { namespace: NAMESPACE, target: `pod/${pod}`, port: behind.port };
      const access = { kubectl: kubectl.program, kubeconfig: kubectl.kubeconfig };
      const forward = await forwardPort(access, target, signal);
      undo.push(forward.stop);
      const { serverName } = behind;
      const door = await openPlainDoor({ port: forward.port, ca, cert, key, serverName });
      undo.push(door.close);
      urls.push(door.url);
    }
    return { urls, close };
  } catch (error) {
    await close();
    throw error;
  }
}
