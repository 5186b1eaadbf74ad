import { X509Certificate } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import selfsigned from 'selfsigned';

export interface ArrayCertificate {
  /** PEM, also in `caFile`. */
  certificate: string;
  privateKey: string;
  caFile: string;
  /** SHA-256 as `openssl x509 -fingerprint` prints it. */
  fingerprint: string;
}

/** A self-signed certificate for an address, written below `dir` for clients to trust. */
export async function makeCertificate(name: string, address: string, dir: string): Promise<ArrayCertificate> {
  const pems = await selfsigned.generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: name },
          { type: 7, ip: address },
        ],
      },
    ],
  });
  await mkdir(dir, { recursive: true });
  const caFile = join(dir, 'wsapi-ca.pem');
  const keyFile = join(dir, 'wsapi-key.pem');
  await writeFile(caFile, pems.cert);
  await writeFile(keyFile, pems.private, { mode: 0o600 });
  await chmod(keyFile, 0o600);
  return {
    certificate: pems.cert,
    privateKey: pems.private,
    caFile,
    fingerprint: new X509Certificate(pems.cert).fingerprint256,
  };
}
