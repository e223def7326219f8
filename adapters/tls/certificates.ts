import type { TlsConfig } from "../../core/config/tls-schema.ts";
import { openTlsFiles, type TlsContext, type TlsFiles, type TlsMaterial } from "./tls-files.ts";

/** Certificates by their files: each set is opened when it is first asked for, and stays open. */
export type CertificatesOf = (files: NonNullable<TlsConfig>) => Promise<TlsMaterial>;

/** The function throws an error that names the file when one cannot be read; asked again it tries again. */
export function createCertificates(context: TlsContext): CertificatesOf {
  const opened = new Map<string, Promise<TlsFiles>>();
  return async (files) => {
    const key = JSON.stringify([files.ca, files.cert, files.key]);
    const opening =
      opened.get(key) ??
      openTlsFiles(files, { ...context, name: `model ${files.ca ?? files.cert}` });
    opened.set(key, opening);
    try {
      return (await opening).current();
    } catch (error) {
      opened.delete(key);
      throw error;
    }
  };
}
