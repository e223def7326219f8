import { existsSync } from "node:fs";
import { join } from "node:path";

import { DIRECT } from "../../adapters/process/direct.ts";
import { WITH_PARENT } from "../../local/processes/processes.ts";
import { until } from "../until.ts";

/** The API server as kubectl's user sees it. Paths begin with `/api` or `/apis`. */
export interface KubeApi {
  /** @throws {ApiError} for every status but 2xx */
  get: <Resource>(path: string) => Promise<Resource>;
  /** The same; undefined where there is no such thing. */
  find: <Resource>(path: string) => Promise<Resource | undefined>;
  /** Changes fields: what is null goes, a list replaces the one that is there (RFC 7386). */
  merge: (path: string, change: unknown) => Promise<void>;
  /** Resolves when the object is to go, or was not there; others may still wait for it. */
  remove: (path: string) => Promise<void>;
  close: () => Promise<void>;
}

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;

  constructor(path: string, status: number, text: string) {
    super(`${path}: ${status} ${text.slice(0, 300)}`);
    this.status = status;
  }
}

const CALL_LIMIT_MS = 20_000;
const START_LIMIT_MS = 20_000;
const NOT_FOUND = 404;
const TRIES = 3;
const RETRY_MS = 500;

/**
 * Asks through one `kubectl proxy`, which knows every kind of credential. It listens on a socket in `folder`,
 * which nobody else may enter: whoever reaches it is the user of the kubeconfig. `signal` ends the start
 * alone: after an interrupt there is still something to remove.
 */
export async function openApi(
  { kubectl, kubeconfig }: { kubectl: string; kubeconfig: string },
  folder: string,
  signal: AbortSignal,
): Promise<KubeApi> {
  const socket = join(folder, "api.sock");
  const proxy = Bun.spawn([...WITH_PARENT, kubectl, "proxy", `--unix-socket=${socket}`], {
    env: { ...process.env, KUBECONFIG: kubeconfig },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const close = async (): Promise<void> => {
    proxy.kill();
    await proxy.exited;
  };

  async function callOnce(path: string, init: RequestInit): Promise<Response> {
    return await fetch(`http://localhost${path}`, {
      ...DIRECT,
      ...init,
      unix: socket,
      signal: AbortSignal.timeout(CALL_LIMIT_MS),
    });
  }

  /** What only reads or may be repeated is: an API server is away for a moment now and then. */
  async function call<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
    for (let tries = 1; ; tries += 1) {
      const reply = await callOnce(path, init).catch((error: unknown) => {
        if (tries === TRIES) throw error;
      });
      if (reply?.ok === true) return (await reply.json()) as Answer;
      if (reply !== undefined && (reply.status < 500 || tries === TRIES))
        throw new ApiError(path, reply.status, await reply.text());
      await Bun.sleep(RETRY_MS);
    }
  }

  const find: KubeApi["find"] = async <Resource>(path: string) => {
    try {
      return await call<Resource>(path);
    } catch (error) {
      if (error instanceof ApiError && error.status === NOT_FOUND) return undefined;
      throw error;
    }
  };

  try {
    await until("kubectl proxy answers", { limitMs: START_LIMIT_MS, everyMs: 50, signal }, () => {
      if (proxy.exitCode !== null) throw new Error("kubectl proxy ended at once");
      return existsSync(socket) ? call<object>("/version") : Promise.resolve(undefined);
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    get: call,
    find,
    merge: async (path, change) => {
      await call(path, {
        method: "PATCH",
        headers: { "content-type": "application/merge-patch+json" },
        body: JSON.stringify(change),
      });
    },
    remove: async (path) => {
      try {
        await call(path, { method: "DELETE" });
      } catch (error) {
        if (!(error instanceof ApiError && error.status === NOT_FOUND)) throw error;
      }
    },
    close,
  };
}
