import { dlopen, ptr } from "bun:ffi";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Of Linux's headers asm-generic/socket.h and linux/filter.h. */
const SOL_SOCKET = 1;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const BPF_RETURN_CONSTANT = 0x06;
/** In /proc/net/tcp. */
const LISTENING = "0A";

/**
 * Has the second of two listeners of this process on a port take all new connections; without it Linux gives
 * each every other one, and the old listener cannot be stopped without cutting off who is just coming. Where
 * one is left, it takes them all. Holds for the port, so that it may be said again for the next two.
 *
 * Returns false where it is not possible: elsewhere than on Linux with glibc or musl.
 */
export function letLatestListen(port: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    const [listener] = listeningOn(port);
    return listener !== undefined && attach(listener, returnConstant(1));
  } catch {
    return false;
  }
}

/** File descriptors of this process that listen on a TCP port. */
function listeningOn(port: number): number[] {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].flatMap((table) =>
    readFileSync(table, "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => local?.endsWith(ending) === true && state === LISTENING)
      .map((columns) => columns[9]),
  );
  const sockets = new Set(inodes.map((inode) => `socket:[${inode}]`));
  return readdirSync("/proc/self/fd")
    .filter((descriptor) => sockets.has(targetOf(descriptor)))
    .map(Number);
}

function targetOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    // Closed meanwhile.
    return "";
  }
}

/** A program of one instruction for the kernel's classic BPF: the index of the socket in its group. */
function returnConstant(index: number): Uint8Array {
  const instruction = new DataView(new ArrayBuffer(8));
  instruction.setUint16(0, BPF_RETURN_CONSTANT, true);
  instruction.setUint32(4, index, true);
  return new Uint8Array(instruction.buffer);
}

function attach(descriptor: number, program: Uint8Array): boolean {
  const { symbols } = openLibc();
  const filter = new DataView(new ArrayBuffer(16));
  filter.setUint16(0, program.length / 8, true);
  filter.setBigUint64(8, BigInt(ptr(program)), true);
  const bytes = new Uint8Array(filter.buffer);
  return (
    symbols.setsockopt(
      descriptor,
      SOL_SOCKET,
      SO_ATTACH_REUSEPORT_CBPF,
      ptr(bytes),
      bytes.length,
    ) === 0
  );
}

const SETSOCKOPT = {
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
} as const;

function openLibc() {
  try {
    return dlopen("libc.so.6", SETSOCKOPT);
  } catch {
    return dlopen(`libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`, SETSOCKOPT);
  }
}
