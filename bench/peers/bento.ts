import { join } from "node:path";

import { mergeSettings, type Settings } from "../../local/stack/settings.ts";
import type { BenchContext, Measured, Scenario } from "../scenarios/scenario.ts";
import { type BentoRoom, makeBentoRoom } from "./bento-room.ts";
import { measurePeer } from "./peer.ts";
import { type Peer, peerUsers, type RunningPeer, startPeer } from "./start-peer.ts";

/** How a request is accepted, where it goes, and whether Go's collector may use more memory than it does by default. */
interface Style {
  title: string;
  accept: "accept" | "accept-bare";
  output: "output-documented" | "output-tuned";
  env: Readonly<Record<string, string>>;
}

const TUNED_ENV = { GOGC: "400" };
const DOCUMENTED: Style = {
  title: "Bento, documented",
  accept: "accept",
  output: "output-documented",
  env: {},
};
const TUNED: Style = {
  title: "Bento, tuned",
  accept: "accept",
  output: "output-tuned",
  env: TUNED_ENV,
};
const BARE: Style = {
  title: "Bento, bare",
  accept: "accept-bare",
  output: "output-tuned",
  env: TUNED_ENV,
};

const FOLDER = join(import.meta.dir, "bento");
const PROBE_MS = 5_000;
const UNAUTHORIZED = 401;

async function writeConfig({ accept, output }: Style, folder: string): Promise<string> {
  const read = async (name: string): Promise<Settings> =>
    Bun.YAML.parse(await Bun.file(join(FOLDER, `${name}.yaml`)).text()) as Settings;
  const config = mergeSettings(await read(accept), await read(output));
  const script = await Bun.file(join(FOLDER, "quota.lua")).text();
  const path = join(folder, `bento-${accept}-${output}.json`);
  const text = JSON.stringify(config, null, 2);
  await Bun.write(
    path,
    text.replace('"script": ""', () => `"script": ${JSON.stringify(script)}`),
  );
  return path;
}

/** A call with a key that nobody has must be refused, or the peer checks none. */
async function probeUnknownKey(url: string): Promise<string[]> {
  const reply = await fetch(`${url}/generate`, {
    method: "POST",
    headers: { authorization: "Bearer nobody", "content-type": "application/json" },
    body: JSON.stringify({ prompt: "a", max_tokens: 1 }),
    signal: AbortSignal.timeout(PROBE_MS),
  });
  await reply.body?.cancel();
  if (reply.status === UNAUTHORIZED) return [];
  return [`Bento answered ${reply.status} to an unknown key: it does not do the same job`];
}

/** What is wrong with what the peer left behind; it may have stored more than it answered in time, never less. */
async function judgeStored(
  { read, open }: BentoRoom,
  { accept }: Style,
  accepted: number,
): Promise<{ note: string; failures: string[] }> {
  const { rows, messages, rowPrompt, messagePrompt } = await read();
  const note = `${accepted} calls were answered 202; ${rows} rows, ${messages} messages`;
  const failures: string[] = [];
  if (rows < accepted || messages < accepted) failures.push(`Bento stored too little: ${note}`);
  for (const record of accept === "accept" ? [rowPrompt, messagePrompt] : []) {
    try {
      if (record === undefined || open(record) === "") failures.push("Bento stored no prompt");
    } catch {
      failures.push("a prompt that Bento stored is not encrypted with the key it was given");
    }
  }
  return { note, failures };
}

/** A pipeline that is ready to be started, with servers' rooms of its own; `undo` takes how they are removed. */
interface BentoSetup {
  room: BentoRoom;
  build: (port: number) => Peer;
}

async function setUpBento(
  context: BenchContext,
  style: Style,
  program: string,
  undo: (() => Promise<unknown>)[],
): Promise<BentoSetup> {
  const apiKeys = peerUsers().map(({ apiKey }) => apiKey);
  const room = await makeBentoRoom(context.servers, apiKeys, undo);
  const config = await writeConfig(style, context.folder);
  return {
    room,
    build: (port) => ({
      title: style.title,
      command: [program, "-c", config],
      env: { ...room.env, ...style.env, PEER_PORT: String(port), HOME: context.folder },
      // It has no health route on this port; any answer will do.
      readyPath: "/",
      ...(style.accept === "accept" ? { probe: probeUnknownKey } : {}),
    }),
  };
}

/** The program, or why there is none. */
function findProgram({
  tools: { bento },
}: BenchContext): { program: string } | { problem: string } {
  if (typeof bento === "string") return { program: bento };
  return { problem: bento?.problem ?? "its scenario does not say that it needs Bento" };
}

async function measureBento(context: BenchContext, style: Style): Promise<Measured> {
  const found = findProgram(context);
  if ("problem" in found) {
    const notes = [`left out: ${found.problem}`];
    return { figures: [], loads: [], samples: [], notes, failures: [] };
  }
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const { room, build } = await setUpBento(context, style, found.program, undo);
    const measured = await measurePeer(context, build);
    const accepted = measured.loads.reduce((sum, { expected }) => sum + expected, 0);
    const { note, failures } = await judgeStored(room, style, accepted);
    measured.notes.push(note);
    measured.failures.push(...failures);
    return measured;
  } finally {
    for (const step of undo.toReversed()) await step();
  }
}

/** A pipeline under way. */
export interface RunningBento {
  peer: RunningPeer;
  /** What is wrong with what it left behind, given how many calls it answered 202. */
  judge: (accepted: number) => Promise<{ note: string; failures: string[] }>;
}

/**
 * Starts the tuned pipeline, and the bare one if that is wished. `undo` takes how they are removed. Answers why it cannot if there is
 * no program.
 */
export async function startBentos(
  context: BenchContext,
  withBare: boolean,
  undo: (() => Promise<unknown>)[],
): Promise<RunningBento[] | string> {
  const found = findProgram(context);
  if ("problem" in found) return found.problem;
  const bentos: RunningBento[] = [];
  for (const style of withBare ? [TUNED, BARE] : [TUNED]) {
    const { room, build } = await setUpBento(context, style, found.program, undo);
    const peer = await startPeer(context, build);
    undo.push(() => peer.stop());
    bentos.push({ peer, judge: (accepted) => judgeStored(room, style, accepted) });
  }
  return bentos;
}

const SAME_JOB =
  "the original's design on Bento 1.20.0: key by its keyed hash, quota in Redis by script, AES-GCM, insert, confirmed persistent publish, 202";
const LESS =
  "the original's design on Bento 1.20.0 without keys and encryption: quota in Redis by script, insert, confirmed persistent publish, 202";

export const bentoDocumented: Scenario = {
  name: "bento-documented",
  about: `${SAME_JOB}; as its documentation has it`,
  inQuick: false,
  needs: ["wrk", "bento"],
  run: (context) => measureBento(context, DOCUMENTED),
};

export const bentoTuned: Scenario = {
  name: "bento-tuned",
  about: `${SAME_JOB}; tuned as well as we could`,
  inQuick: false,
  needs: ["wrk", "bento"],
  run: (context) => measureBento(context, TUNED),
};

export const bentoBare: Scenario = {
  name: "bento-bare",
  about: `${LESS}; tuned as well as we could`,
  inQuick: false,
  needs: ["wrk", "bento"],
  run: (context) => measureBento(context, BARE),
};
