import { expect, test } from "bun:test";
import { Writable } from "node:stream";

import { joinWrites } from "./join-writes.ts";

/** A socket that notes what reaches the system, one entry per call. */
function createSocket() {
  const calls: string[] = [];
  const socket = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      calls.push(chunk.toString());
      done();
    },
    writev: (chunks, done) => {
      calls.push(chunks.map(({ chunk }) => String(chunk)).join(""));
      done();
    },
  });
  joinWrites(socket);
  return { socket, calls };
}

const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

test("what is written in one turn leaves in one call, in order", async () => {
  const { socket, calls } = createSocket();

  socket.write("a");
  await Promise.resolve();
  socket.write("b");
  socket.write("c");
  await nextTurn();

  expect(calls).toEqual(["abc"]);
});

test("what is written in the next turn leaves in the next call", async () => {
  const { socket, calls } = createSocket();

  socket.write("a");
  await nextTurn();
  socket.write("b");
  socket.write("c");
  await nextTurn();

  expect(calls).toEqual(["a", "bc"]);
});

test("a socket that is ended sends what was written before", async () => {
  const { socket, calls } = createSocket();

  socket.write("a");
  socket.write("b");
  await new Promise<void>((resolve) => socket.end(resolve));

  expect(calls).toEqual(["ab"]);
});

test("a destroyed socket stays quiet", async () => {
  const { socket, calls } = createSocket();

  socket.write("a");
  socket.destroy();
  await nextTurn();

  expect(calls).toEqual([]);
});
