import { Elysia, t } from "elysia";

// The ceiling: an Elysia route that checks a body and responds with 202, and does nothing else.
const body = t.Object({ prompt: t.String({ minLength: 1 }), max_tokens: t.Optional(t.Integer()) });

new Elysia({ normalize: false })
  .post(
    "/generate",
    ({ set }) => {
      set.status = 202;
      return { request_id: "019ab1c0-0000-7000-8000-000000000000", status: "queued" };
    },
    { body, parse: "json" },
  )
  .listen({ hostname: "127.0.0.1", port: Number(process.env["PEER_PORT"]) });
