import { connect as connectPlain, createServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** Where plain HTTP is taken and goes on encrypted, as behind an ingress. */
export interface PlainDoor {
  url: string;
  close: () => Promise<void>;
}

interface Behind {
  /** A port of this machine. */
  port: number;
  /** PEM, of the authority whose certificate the other side must show. */
  ca: string;
  /** The name that its certificate must have. */
  serverName: string;
  /** PEM, what we show in return. */
  cert?: string;
  key?: string;
}

export async function openPlainDoor({ port, serverName, ...files }: Behind): Promise<PlainDoor> {
  const open = new Set<Socket>();
  const server = createServer((caller) => {
    const behind = connectTls({
      socket: connectPlain({ host: "127.0.0.1", port }),
      ...files,
      servername: serverName,
    });
    for (const [one, other] of [
      [caller, behind],
      [behind, caller],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it does not listen");
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
