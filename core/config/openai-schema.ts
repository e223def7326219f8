import { Type as t } from "@sinclair/typebox";

import { closed, count, ms } from "./fields.ts";

/** The OpenAI door. */
export const openai = t.Object(
  {
    wait_seconds_max: t.Integer({
      minimum: 1,
      // The gateway's own connections end after 75 seconds without a byte.
      maximum: 70,
      default: 55,
      description:
        "How long a call that does not stream is held open; then 408, and SDKs ask again by themselves. " +
        "Keep below what proxies in front allow without a byte.",
    }),
    reattach_seconds: count(
      600,
      "How long after it was made a repetition by an SDK finds the request of its call.",
    ),
    streams_max: count(5_000, "Streams open at one gateway."),
    user_streams_max: count(500, "Streams that one user has open at one gateway."),
    on_disconnect: t.Union([t.Literal("cancel"), t.Literal("keep")], {
      default: "cancel",
      description:
        "What becomes of a request whose caller has gone and does not come back: cancelled, or kept to be " +
        "read by its id. A call says otherwise by X-Tollgate-On-Disconnect.",
    }),
    disconnect_grace_ms: ms(
      15_000,
      "How long a caller that has gone may take to come back: SDKs pause for up to 8 seconds.",
    ),
  },
  { ...closed, default: {} },
);
