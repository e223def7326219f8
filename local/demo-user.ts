import { callHere, type CallerTls } from "../adapters/process/direct.ts";
import { randomUUIDv7 } from "bun";

import { Type as t } from "@sinclair/typebox";

import { readJsonFile, writeJsonFile } from "../adapters/state/json-file.ts";
import type { StatePaths } from "../adapters/state/paths.ts";

const DemoUserSchema = t.Object({ user_id: t.String(), api_key: t.String() });

const CALL_LIMIT_MS = 10_000;

export interface DemoUser {
  userId: string;
  apiKey: string;
  isNew: boolean;
}

export interface DemoUserQuestion {
  paths: StatePaths;
  gateway: string;
  tls?: CallerTls;
  /** Makes a user with a key; only this call ever sees the key. */
  create: () => Promise<{ userId: string; apiKey: string }>;
}

/**
 * The user that `up` shows things with: the one of the last time while its key still works, else a new one.
 */
export async function ensureDemoUser({
  paths,
  gateway,
  tls,
  create,
}: DemoUserQuestion): Promise<DemoUser> {
  const known = readJsonFile(paths.demoUser, DemoUserSchema);
  if (known !== undefined && (await keyWorks(gateway, known.api_key, tls)))
    return { userId: known.user_id, apiKey: known.api_key, isNew: false };
  const made = await create();
  writeJsonFile(paths.demoUser, { user_id: made.userId, api_key: made.apiKey });
  return { ...made, isNew: true };
}

/** Nobody has this request, so a good key gets 404 and a bad one 401. */
async function keyWorks(gateway: string, apiKey: string, tls: CallerTls): Promise<boolean> {
  const reply = await fetch(`${gateway}/status/${randomUUIDv7()}`, {
    ...callHere(tls),
    headers: { authorization: `Bearer ${apiKey}` },
    signal: AbortSignal.timeout(CALL_LIMIT_MS),
  });
  await reply.body?.cancel();
  return reply.status === 404;
}
