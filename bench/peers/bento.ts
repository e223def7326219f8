import { join } from "node:path";

import { mergeSettings, type Settings } from "../../local/stack/settings.ts";
import type { Session } from "../measure/session.ts";
import { type BentoRoom, makeBentoRoom } from "./bento-room.ts";
import { type RunningPeer, startPeer } from "./peer.ts";

/**
 * How a request is accepted, where it goes, and whether Go's collector may use more memory than by default.
 */
export interface Style {
  title: string;
  /** Of its rows, and the name of its queue. */
  table: string;
  accept: "accept" | "accept-bare";
  output: "output-documented" | "output-tuned";
  env: Readonly<Record<string, string>>;
}

const tuned = { output: "output-tuned", env: { GOGC: "400" } } as const;
export const TUNED: Style = {
  title: "Bento, tuned",
  table: "bento_tuned",
  accept: "accept",
  ...tuned,
};
export const BARE: Style = {
  title: "Bento, bare",
  table: "bento_bare",
  accept: "accept-bare",
  ...tuned,
};
export const DOCUMENTED: Style = {
  title: "Bento, documented",
  table: "bento_documented",
  accept: "accept",
  output: "output-documented",
  env: {},
};

/** A pipeline under way. */
export interface RunningBento {
  peer: RunningPeer;
  /**
   * Notes what it left behind, given how many calls it answered 202, and fails if that is not what it should
   * be.
   */
  judge: (accepted: number) => Promise<void>;
}

/**
 * Starts a pipeline with rooms of its own on the servers; `undo` takes how they are removed. Without the
 * program it notes why, and returns undefined.
 */
export async function startBento(
  session: Session,
  style: Style,
  undo: AsyncDisposableStack,
): Promise<RunningBento | undefined> {
  const { bento } = session.tools;
  if (bento === undefined || "problem" in bento) {
    session.note(`left out: ${bento?.problem ?? "its scenario does not say that it needs Bento"}`);
    return undefined;
  }
  const room = await makeBentoRoom(session, style.table, undo);
  const config = await writeConfig(style, session.folder);
  const build = (port: number) => ({
    title: style.title,
    command: [...bento.command, "-c", config],
    env: { ...room.env, ...style.env, PEER_PORT: String(port), HOME: session.folder },
    // It has no health route on this port; any answer will do.
    readyPath: "/",
    ...(style.accept === "accept" ? { probe: probeUnknownKey } : {}),
  });
  const peer = await startPeer(session, build, undo);
  return { peer, judge: (accepted) => judgeStored(session, room, style, accepted) };
}

async function writeConfig({ accept, output }: Style, folder: string): Promise<string> {
  const read = (name: string): Promise<string> =>
    Bun.file(join(import.meta.dir, "bento", name)).text();
  const parse = async (name: string): Promise<Settings> =>
    Bun.YAML.parse(await read(`${name}.yaml`)) as Settings;
  const config = JSON.stringify(mergeSettings(await parse(accept), await parse(output)));
  const script = JSON.stringify(await read("quota.lua"));
  const path = join(folder, `bento-${accept}-${output}.json`);
  await Bun.write(
    path,
    config.replace('"script":""', () => `"script":${script}`),
  );
  return path;
}

/** A call with a key that nobody has must be refused, or the peer checks none. */
async function probeUnknownKey(url: string): Promise<string[]> {
  const reply = await fetch(`${url}/generate`, {
    method: "POST",
    headers: { authorization: "Bearer nobody", "content-type": "application/json" },
    body: JSON.stringify({ prompt: "a", max_tokens: 1 }),
    signal: AbortSignal.timeout(5_000),
  });
  await reply.body?.cancel();
  if (reply.status === 401) return [];
  return [`Bento answered ${reply.status} to an unknown key: it does not do the same job`];
}

/** It may have stored more than it answered in time, never less. */
async function judgeStored(
  { note, fail }: Session,
  { read, open }: BentoRoom,
  { title, accept }: Style,
  accepted: number,
): Promise<void> {
  const { rows, messages, rowPrompt, messagePrompt } = await read();
  const seen = `${accepted} calls were answered 202; ${rows} rows, ${messages} messages`;
  note(`${title}: ${seen}`);
  if (rows < accepted || messages < accepted) fail(`${title} stored too little: ${seen}`);
  for (const record of accept === "accept" ? [rowPrompt, messagePrompt] : []) {
    try {
      if (record === undefined || open(record) === "") fail(`${title} stored no prompt`);
    } catch {
      fail(`a prompt that ${title} stored is not encrypted with the key it was given`);
    }
  }
}
