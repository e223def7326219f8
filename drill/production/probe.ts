// Runs in a pod of Tollgate, with nothing beside it: says whether servers speak to somebody without TLS,
// with TLS and no certificate, and with a certificate. Its arguments are a list of servers, JSON, and the
// folder of the certificate.
import { readFileSync } from "node:fs";
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

interface Probed {
  name: string;
  host: string;
  port: number;
  protocol: "postgres" | "redis" | "amqp" | "http";
}

const LIMIT_MS = 8_000;

/** Length, protocol 3.0, parameters. */
function postgresStart(): Buffer {
  const body = Buffer.from("user\0tollgate\0database\0tollgate\0\0");
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length + head.length);
  head.writeUInt32BE(196_608, 4);
  return Buffer.concat([head, body]);
}
const POSTGRES_WANTS_TLS = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

const HELLO: Record<Probed["protocol"], Buffer> = {
  postgres: postgresStart(),
  redis: Buffer.from("PING\r\n"),
  amqp: Buffer.from("AMQP\0\0\u0009\u0001"),
  http: Buffer.from("GET /health HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"),
};

/** Whether a server goes on to talk, rather than to refuse. */
const TALKS: Record<Probed["protocol"], (reply: Buffer) => boolean> = {
  // It asks for a password.
  postgres: (reply) => reply[0] === "R".charCodeAt(0),
  redis: (reply) => /^(\+PONG|-NOAUTH)/.test(reply.toString("latin1")),
  // A frame with connection.start.
  amqp: (reply) => reply[0] === 1,
  http: (reply) => reply.toString("latin1").startsWith("HTTP/1.1 200"),
};

/** The first thing that comes back; empty when the other side ends or nothing comes. */
function firstReply(socket: Socket, hello: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const none = (): void => resolve(Buffer.alloc(0));
    socket.setTimeout(LIMIT_MS, none);
    for (const end of ["error", "close", "end"]) socket.once(end, none);
    socket.once("data", resolve);
    socket.write(hello);
  });
}

async function talks(server: Probed, tls: Record<string, Buffer> | null): Promise<boolean> {
  const { host, port, protocol } = server;
  const plain = connectPlain({ host, port });
  let socket: Socket = plain;
  try {
    if (tls !== null) {
      if (protocol === "postgres") await firstReply(plain, POSTGRES_WANTS_TLS);
      socket = connectTls({ socket: plain, servername: host, ...tls });
    }
    return TALKS[protocol](await firstReply(socket, HELLO[protocol]));
  } finally {
    socket.destroy();
    plain.destroy();
  }
}

const [servers = "[]", folder = ""] = process.argv.slice(2);
const [ca, cert, key] = ["ca.crt", "tls.crt", "tls.key"].map((file) =>
  readFileSync(`${folder}/${file}`),
) as [Buffer, Buffer, Buffer];
const found = [];
for (const server of JSON.parse(servers) as Probed[])
  found.push({
    name: server.name,
    withoutTls: await talks(server, null),
    withoutCertificate: await talks(server, { ca }),
    withCertificate: await talks(server, { ca, cert, key }),
  });
process.stdout.write(JSON.stringify(found));
