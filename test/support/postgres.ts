import { randomUUIDv7 } from "bun";

import type { Finish } from "../../core/finish.ts";
import { dayOf } from "../../core/windows.ts";
import { createTestDatabase } from "./servers.ts";
import {
  connectPostgres,
  type Database,
  type PostgresOptions,
} from "../../adapters/postgres/connect.ts";
import { migrate } from "../../adapters/postgres/migrate.ts";
import { addUser } from "../../adapters/postgres/users.ts";
import type { NewRequest } from "../../core/stored-request.ts";

export interface MigratedDatabase {
  url: string;
  database: Database;
  /** One more pool to the same database, closed with it. */
  connect: (overrides?: Partial<PostgresOptions>) => Database;
  drop: () => Promise<void>;
}

/** A database of its own for one test file, with the schema. */
export async function createMigratedDatabase(): Promise<MigratedDatabase> {
  const { url, drop } = await createTestDatabase();
  await migrate({ url });
  const opened: Database[] = [];
  const connect = (overrides: Partial<PostgresOptions> = {}): Database => {
    const database = connectPostgres({
      url,
      poolMax: 4,
      statementTimeoutMs: 5_000,
      deadlineMs: 6_000,
      name: "tollgate-test",
      ...overrides,
    });
    opened.push(database);
    return database;
  };
  return {
    url,
    database: connect(),
    connect,
    drop: async () => {
      await Promise.all(opened.map((database) => database.close(1_000)));
      await drop();
    },
  };
}

export const HOUR_MS = 3_600_000;
export const PUBLISHER = randomUUIDv7();
/** Content is ciphertext, so any bytes do: these include NUL and what is no UTF-8. */
export const SEALED = Buffer.from([0, 255, 92, 34, 44, 125, 0]);

export function newRequest(
  overrides: Partial<NewRequest> & {
    userId?: string;
    createdAtMs?: number;
    estimatedTokens?: number;
    expiresAtMs?: number;
    windowDay?: string;
    model?: string;
  } = {},
): NewRequest {
  const {
    userId,
    createdAtMs = Date.now(),
    estimatedTokens = 100,
    expiresAtMs = createdAtMs + HOUR_MS,
    windowDay = dayOf(createdAtMs),
    model = "sim-chat",
    ...rest
  } = overrides;
  return {
    head: {
      requestId: randomUUIDv7("hex", createdAtMs),
      userId: userId ?? crypto.randomUUID(),
      model,
      windowDay,
      estimatedTokens,
      createdAtMs,
      expiresAtMs,
    },
    publisherId: PUBLISHER,
    prompt: SEALED,
    metadata: null,
    acceptUntilMs: Date.now() + HOUR_MS,
    idempotency: null,
    ...rest,
  };
}

/** A completed request of 10 + 20 tokens. */
export function completion(requestId: string, overrides: Partial<Finish> = {}): Finish {
  return {
    requestId,
    state: "completed",
    attempts: 1,
    startedAtMs: 1_795_000_000_000,
    completedAtMs: 1_795_000_001_234,
    usage: { promptTokens: 10, completionTokens: 20, source: "reported" },
    error: null,
    result: SEALED,
    ...overrides,
  };
}

/** An end without execution, which bills nothing. */
export function ending(requestId: string, state: "cancelled" | "expired" | "failed"): Finish {
  return completion(requestId, {
    state,
    attempts: 0,
    startedAtMs: null,
    usage: null,
    result: null,
    error: { code: "CANCELLED", message: 'by "the" caller, {really}' },
  });
}

export async function newUser(database: Database): Promise<string> {
  const userId = crypto.randomUUID();
  await addUser(database, { userId, name: "Ada", email: `${userId}@example.com` });
  return userId;
}

export interface FreezingProxy {
  url: string;
  /** Stops passing bytes on in both directions, as a frozen server or a cut network would; they are kept. */
  freeze: () => void;
  thaw: () => void;
  /** Passes nothing on for the present connections ever again, without closing them: half-open. New ones work. */
  cutPresent: () => void;
  stop: () => void;
}

interface Side {
  peer: Bun.Socket<Side> | undefined;
  kept: Buffer[];
  isCut: boolean;
}

/** A TCP proxy before the server of a database URL that can be frozen. */
export async function startFreezingProxy(url: string): Promise<FreezingProxy> {
  const { hostname, port } = new URL(url);
  let frozen = false;
  const sides = new Set<Bun.Socket<Side>>();
  const passOn = (socket: Bun.Socket<Side>): void => {
    if (frozen || socket.data.isCut || socket.data.peer === undefined) return;
    for (const bytes of socket.data.kept.splice(0)) socket.data.peer.write(bytes);
  };
  const handlers = {
    data: (socket: Bun.Socket<Side>, bytes: Buffer) => {
      socket.data.kept.push(Buffer.from(bytes));
      passOn(socket);
    },
    close: (socket: Bun.Socket<Side>) => {
      sides.delete(socket);
      if (!frozen && !socket.data.isCut) socket.data.peer?.end();
    },
    error: () => {},
  };
  const server = Bun.listen<Side>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...handlers,
      open: (socket) => {
        socket.data = { peer: undefined, kept: [], isCut: false };
        sides.add(socket);
        void Bun.connect<Side>({
          hostname,
          port: Number(port),
          data: { peer: socket, kept: [], isCut: false },
          socket: handlers,
        }).then((upstream) => {
          sides.add(upstream);
          socket.data.peer = upstream;
          passOn(socket);
        });
      },
    },
  });
  const proxied = new URL(url);
  proxied.port = String(server.port);
  return {
    url: proxied.toString(),
    freeze: () => {
      frozen = true;
    },
    thaw: () => {
      frozen = false;
      for (const side of sides) passOn(side);
    },
    cutPresent: () => {
      for (const side of sides) side.data.isCut = true;
    },
    stop: () => {
      frozen = false;
      for (const side of sides) side.end();
      server.stop(true);
    },
  };
}
