import type { DeltaEntry } from "../../core/request/delta-entry.ts";
import { FIRST_POSITION, follows, LAST_POSITION } from "../../core/request/delta-entry.ts";
import { Fault, toFault } from "../../core/faults.ts";
import { writeJson } from "../../core/json/json-text.ts";
import { openAiError } from "../http/openai-error.ts";
import { isTerminal } from "../../core/request/request.ts";
import type { GatewayPorts } from "../ports.ts";
import type { RequestView } from "../read/request-view.ts";
import { createDelivered } from "../stream/delivered.ts";
import { type EventWriter, eventStream } from "../stream/event-stream.ts";
import type { ReadAlong } from "../stream/read-along.ts";
import type { Readers } from "../stream/readers.ts";
import type { DoorCall, HeldRequest, HoldCalls } from "./hold-call.ts";
import { choicesOf, faultOf, headOf, receiptOf, usageOf } from "./replies.ts";

const OBJECTS = { chat: "chat.completion.chunk", completions: "text_completion" } as const;
type StreamedDoor = keyof typeof OBJECTS;

/** Answers calls in pieces as they are made. */
export interface StreamAnswers {
  /** @throws {Fault} OVERLOADED, CONCURRENCY_EXCEEDED: too many read along already */
  checkRoom: (userId: string) => void;
  answer: (
    call: DoorCall,
    held: HeldRequest,
    options: { headers: Record<string, string>; includeUsage: boolean },
  ) => Response;
}

type Ports = Pick<GatewayPorts, "now">;

/** An answer was begun, its worker died, and the model cannot go on from what was said. */
const BROKEN = (requestId: string) =>
  new Fault(
    "UPSTREAM_FAILED",
    `the answer broke off and is made again as a whole: call again, or read it at /status/${requestId}`,
  );

export function createStreamAnswers(
  ports: Ports,
  calls: Pick<HoldCalls, "waitFor" | "tellBroken">,
  readAlong: ReadAlong,
  readers: Pick<Readers, "check">,
): StreamAnswers {
  function answerCall(
    call: DoorCall,
    { request, hasEnded }: HeldRequest,
    { headers, includeUsage }: { headers: Record<string, string>; includeUsage: boolean },
  ): Response {
    const door: StreamedDoor = call.ask.door === "completions" ? "completions" : "chat";
    const gone = new AbortController();
    const { signal } = gone;
    call.signal.addEventListener("abort", () => gone.abort(), { once: true });
    if (call.signal.aborted) gone.abort();

    async function run(writer: EventWriter): Promise<void> {
      const answer = createAnswer(writer, door, request.requestId, request.model, ports.now());
      const broken = new AbortController();
      const reader = {
        ref: { requestId: request.requestId, userId: call.principal.userId },
        // An earlier try may have broken off because of its pieces: the result is right.
        after: hasEnded ? LAST_POSITION : FIRST_POSITION,
        onEntries: (entries: readonly DeltaEntry[]) => {
          // What comes until the end is heard of is of the answer that is made anew.
          if (broken.signal.aborted || !answer.take(entries)) broken.abort();
        },
      };
      await readAlong(writer, reader, async (catchUp) => {
        const deliver = async (view: RequestView): Promise<void> => {
          if (!broken.signal.aborted && isTerminal(view.state)) await catchUp(signal);
          if (broken.signal.aborted || !answer.takeRest(view)) broken.abort();
          if (broken.signal.aborted) throw BROKEN(request.requestId);
        };
        try {
          // Who has read a part does not come back by themselves.
          const held = { ...call, signal, hasRead: answer.hasBegun };
          const until = AbortSignal.any([signal, broken.signal]);
          const view = await calls.waitFor(held, request, { waitMs: null, until, deliver });
          answer.end(view, includeUsage);
        } catch (error) {
          if (broken.signal.aborted) calls.tellBroken(call);
          answer.fail(toFault(error));
        }
      });
    }

    return eventStream(headers, run, () => gone.abort());
  }

  return { checkRoom: readers.check, answer: answerCall };
}

/** Writes an answer in OpenAI's pieces. */
function createAnswer(
  writer: EventWriter,
  door: StreamedDoor,
  requestId: string,
  model: string,
  createdAtMs: number,
) {
  const { id, ...head } = headOf(door, { requestId, createdAtMs, model });
  const delivered = createDelivered();
  let hasBegun = false;
  let position = FIRST_POSITION;
  /** Pieces were lost: what comes behind them would leave a hole, so that the rest is the result's. */
  let hasHole = false;

  const send = (event: object): void => writer.write(`data: ${writeJson(event)}\n\n`);
  const chunk = (more: object): void => send({ id, object: OBJECTS[door], ...head, ...more });

  return {
    hasBegun: () => hasBegun,
    /** Returns whether these can follow what was sent. */
    take(entries: readonly DeltaEntry[]): boolean {
      for (const entry of entries) {
        if (!follows(entry, position)) hasHole = true;
        position = entry.position;
        if (entry.pieces === null) {
          if (!entry.isContinued && delivered.hasSaid()) return false;
          if (!entry.isContinued) hasHole = false;
          if (hasBegun) delivered.goOn();
          continue;
        }
        if (hasHole) continue;
        const last = entry.pieces.at(-1);
        for (const piece of entry.pieces) {
          hasBegun = true;
          // Where to go on from, should the connection break.
          const place = piece === last ? { tollgate: { position: entry.position } } : {};
          chunk({ choices: delivered.take(piece), ...place });
        }
      }
      return true;
    },
    /** Sends what the result has and the pieces lacked; false: it does not go on from what was sent. */
    takeRest(view: RequestView): boolean {
      if (view.state !== "completed") return true;
      const rest = delivered.restOf(choicesOf(view), door === "chat" ? "chat" : "text");
      if (rest !== null && rest.text !== "[]") chunk({ choices: rest });
      return rest !== null;
    },
    end(view: RequestView, includeUsage: boolean): void {
      if (view.state !== "completed") throw faultOf(view);
      if (includeUsage) chunk({ choices: [], usage: usageOf(view), tollgate: receiptOf(view) });
      writer.write("data: [DONE]\n\n");
    },
    fail(fault: Fault): void {
      send({ error: openAiError(fault, fault.message) });
    },
  };
}
