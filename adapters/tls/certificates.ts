import type { TlsConfig } from "../../core/config/tls-schema.ts";
import type { Log } from "../../runtime/log.ts";
import { openTlsFiles, type TlsFiles, type TlsMaterial } from "./tls-files.ts";

/** Certificates by their files: each set is opened when it is first asked for, and stays open. */
export type CertificatesOf = (files: NonNullable<TlsConfig>) => Promise<TlsMaterial>;

/** The function throws an error that names the file when one cannot be read; asked again it tries again. */
export function createCertificates(log: Log): CertificatesOf {
  const opened = new Map<string, Promise<TlsFiles>>();
  return async (files) => {
    const key = JSON.stringify([files.ca, files.cert, files.key]);
    const opening = opened.get(key) ?? openTlsFiles(files, { log, name: "model" });
    opened.set(key, opening);
    try {
      return (await opening).current();
    } catch (error) {
      opened.delete(key);
      throw error;
    }
  };
}
