import { type DocumentDecoration, Elysia } from "elysia";

import { invalidParameter } from "../../../core/faults.ts";
import { itemsOf, writeJson } from "../../../core/json/json-text.ts";
import {
  type DeltaEntry,
  FIRST_POSITION,
  isPosition,
  POSITION_PATTERN,
} from "../../../core/request/delta-entry.ts";
import { isTerminal } from "../../../core/request/request.ts";
import { type EventWriter, eventStream } from "../../stream/event-stream.ts";
import { CALLER_PROBLEMS, optionalParameter, pathId, problemReply } from "../openapi.ts";
import { requestIdOf } from "../request-id.ts";
import { statusReply } from "../status-reply.ts";
import type { RouteParts } from "./parts.ts";

const POSITION = { type: "string" as const, pattern: POSITION_PATTERN };

const DOCS: DocumentDecoration = {
  tags: ["Requests"],
  summary: "Read an answer while it is made",
  description:
    "Server-sent events: `pieces` with the position as `id`, `restart` when another execution begins the " +
    "answer anew, `end` with the request as `/status/{id}` has it.",
  parameters: [
    pathId,
    optionalParameter(
      "query",
      "after",
      "The position to go on from, an `id` of an event before",
      POSITION,
    ),
    optionalParameter("header", "Last-Event-ID", "The same, as browsers send it", POSITION),
  ],
  responses: {
    200: {
      description: "The events",
      content: { "text/event-stream": { schema: { type: "string" } } },
    },
    404: problemReply("Unknown, or not yours"),
    422: problemReply("The position is not valid"),
    429: problemReply("Too many streams of yours are open"),
    ...CALLER_PROBLEMS,
  },
};

function positionOf(request: Request): string {
  const query = new URL(request.url).searchParams.get("after");
  const name = query === null ? "Last-Event-ID" : "after";
  const given = query ?? request.headers.get("last-event-id") ?? FIRST_POSITION;
  if (!isPosition(given)) throw invalidParameter(name, "must be the id of an event, such as 1-12");
  return given;
}

/** Writes entries for a reader who has had those up to a position. */
function createWrite(writer: EventWriter, after: string): (entry: DeltaEntry) => void {
  let hasBegun = after !== FIRST_POSITION;
  return (entry) => {
    const { position, pieces } = entry;
    const beginsFirst = !hasBegun;
    hasBegun = true;
    // Who has had nothing yet has nothing to forget.
    if (pieces === null && (entry.isContinued || beginsFirst)) return;
    const event = pieces === null ? "restart" : "pieces";
    const data = pieces === null ? {} : { choices: pieces.flatMap(itemsOf) };
    writer.write(`event: ${event}\nid: ${position}\ndata: ${writeJson(data)}\n\n`);
  };
}

/** `GET /status/{id}/events`. */
export function eventsRoute(parts: RouteParts) {
  const { ports, respond, authenticate, status, readAlong, readers } = parts;

  async function read(request: Request, id: string): Promise<Response> {
    const { userId, tier } = await authenticate(request.headers, "read");
    const lookup = { requestId: requestIdOf(id), userId, tier };
    const after = positionOf(request);
    readers.check(userId);
    await status.read(lookup);
    const gone = new AbortController();
    request.signal.addEventListener("abort", () => gone.abort(), { once: true });

    async function run(writer: EventWriter): Promise<void> {
      const write = createWrite(writer, after);
      const reader = {
        ref: { requestId: lookup.requestId, userId },
        after,
        onEntries: (entries: readonly DeltaEntry[]) => entries.forEach(write),
      };
      await readAlong(writer, reader, async (catchUp) => {
        try {
          const view = await status.readAtEnd(lookup, gone.signal);
          await catchUp(gone.signal);
          // Not ended: this gateway stops. The reader goes on at another, from where it is.
          if (isTerminal(view.state))
            writer.write(`event: end\ndata: ${writeJson(statusReply(view))}\n\n`);
        } catch (error) {
          ports.log.warn({ err: error, request_id: lookup.requestId }, "a stream broke off");
        }
      });
    }

    return eventStream({ "x-request-id": lookup.requestId }, run, () => gone.abort());
  }

  return new Elysia({ name: "events" }).get(
    "/status/:id/events",
    ({ request, params }) => respond("events", () => read(request, params.id)),
    { detail: DOCS },
  );
}
