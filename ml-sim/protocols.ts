import type { SimProtocol } from "./calls.ts";
import { chat } from "./chat.ts";
import { completions } from "./completions.ts";
import { embeddings } from "./embeddings.ts";
import { plain } from "./plain.ts";

/** What a call is posted to. */
export const PROTOCOLS: Readonly<Record<string, SimProtocol>> = {
  "/v1/chat/completions": chat,
  "/v1/completions": completions,
  "/v1/embeddings": embeddings,
  "/generate": plain,
};
