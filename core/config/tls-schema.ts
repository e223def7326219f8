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

/** Certificate of a port that others connect to; without it, plain text. */
export const serverTls = t.Optional(
  t.Object(
    {
      cert: t.String({
        minLength: 1,
        description: "File of the certificate that is shown, and its chain, PEM.",
      }),
      key: t.String({ minLength: 1, description: "File of its private key, PEM." }),
      ca: t.Optional(
        t.String({
          minLength: 1,
          description:
            "File of authorities, PEM. With it a client must show a certificate of one of them.",
        }),
      ),
    },
    closed,
  ),
);
