import { type Static, Type as t } from "@sinclair/typebox";

import { closed } from "./fields.ts";

/** Certificates of a client or a server; files, so that they can be renewed without a restart. */
export const tls = t.Optional(
  t.Object(
    {
      ca: t.Optional(
        t.String({
          minLength: 1,
          description:
            "File of the authorities that the other side's certificate may come from, PEM.",
        }),
      ),
      cert: t.Optional(
        t.String({ minLength: 1, description: "File of our certificate and its chain, PEM." }),
      ),
      key: t.Optional(t.String({ minLength: 1, description: "File of its private key, PEM." })),
    },
    closed,
  ),
);

export type TlsConfig = Static<typeof tls>;
