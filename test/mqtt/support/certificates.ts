import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /** Issues a certificate for `name` (host name or address), `days` long from now; negative: it has expired. */
  issue(name: string, days?: number): Certificate;
}

/** An authority of the test's own, made with openssl. */
export function authority(folder: string, name: string): Authority {
  const home = join(folder, name);
  mkdirSync(home, { recursive: true });
  const file = (suffix: string) => join(home, suffix);
  const own = selfSigned(home, "ca", name, true);
  return {
    ...own,
    issue(subject, days = 30) {
      const [cert, key, csr] = [file(`${subject}.crt`), file(`${subject}.key`), file(`${subject}.csr`)];
      const alternative = /^[\d.]+$/.test(subject) ? `IP:${subject}` : `DNS:${subject}`;
      newKey(key);
      openssl("req", "-new", "-key", key, "-subj", `/CN=${subject}`, "-out", csr);
      const extensions = file(`${subject}.ext`);
      writeFileSync(extensions, `subjectAltName=${alternative}\n`);
      const day = 86_400_000;
      const at = (offset: number) =>
        `${new Date(Date.now() + offset * day).toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;
      // `openssl x509 -req` of Debian 12 knows no dates, only days from now; `openssl ca` does.
      writeFileSync(file("index.txt"), "");
      writeFileSync(
        file("serial"),
        `${Math.floor(Math.random() * 1e9)
          .toString()
          .padStart(10, "0")}\n`,
      );
      writeFileSync(
        file("ca.cnf"),
        [
          "[ca]",
          "default_ca=d",
          "[d]",
          `database=${file("index.txt")}`,
          `serial=${file("serial")}`,
          `new_certs_dir=${home}`,
          "default_md=sha256",
          "policy=p",
          "unique_subject=no",
          "[p]",
          "commonName=supplied",
          "",
        ].join("\n"),
      );
      openssl(
        ...["ca", "-batch", "-notext", "-config", file("ca.cnf"), "-cert", own.cert, "-keyfile", own.key],
        ...["-startdate", at(Math.min(0, days) - 10), "-enddate", at(days)],
        ...["-extfile", extensions, "-in", csr, "-out", cert],
      );
      return { cert, key };
    },
  };
}

/** A certificate that vouches for itself. */
export function selfSigned(folder: string, file: string, name: string, ca = false): Certificate {
  const [cert, key] = [join(folder, `${file}.crt`), join(folder, `${file}.key`)];
  newKey(key);
  openssl(
    ...["req", "-x509", "-new", "-key", key, "-days", "30", "-subj", `/CN=${name}`, "-out", cert],
    ...(ca ? [] : ["-addext", `subjectAltName=DNS:${name}`]),
  );
  return { cert, key };
}

function newKey(file: string): void {
  openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file);
}

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}
