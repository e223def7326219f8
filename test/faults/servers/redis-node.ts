import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { Redis } from "ioredis";

import { LOCAL_REDIS } from "../../../local/servers/redis.ts";
import { eventually } from "../../../local/stack/eventually.ts";
import { requireBinaries } from "./server-home.ts";
import { createServerProcess, type ServerProcess } from "./server-process.ts";

/** A Redis that a test has for itself. */
export interface RedisNode {
  url: string;
  process: ServerProcess;
}

const LIMIT_MS = 20_000;
const ANSWER_LIMIT_MS = 2_000;

export async function prepareNode(
  folder: string,
  port: number,
  password: string,
): Promise<RedisNode> {
  mkdirSync(folder);
  const settings = { folder, ports: { redis: port }, password };
  const [launch] = await LOCAL_REDIS.prepare(settings, requireBinaries("redis"));
  if (launch === undefined) throw new Error("Redis is a process");
  appendFileSync(join(folder, "redis.conf"), `masterauth ${password}\n`);
  return { url: LOCAL_REDIS.url(settings), process: createServerProcess(launch, { folder }) };
}

export async function startNode({ url, process }: RedisNode): Promise<void> {
  process.start();
  await eventually("Redis answers", LIMIT_MS, async () => {
    if (!process.isRunning()) return "ended";
    await LOCAL_REDIS.ping(url, ANSWER_LIMIT_MS);
    return "ready";
  });
  if (!process.isRunning()) throw new Error(`Redis ended:\n${process.log().slice(-2_000)}`);
}

export async function withClient<Answer>(
  { url }: RedisNode,
  use: (client: Redis) => Promise<Answer>,
): Promise<Answer> {
  const client = new Redis(url, { commandTimeout: ANSWER_LIMIT_MS, retryStrategy: () => null });
  client.on("error", () => {}); // the call rejects as well
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}
