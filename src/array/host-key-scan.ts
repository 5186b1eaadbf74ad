import { DriverError } from '../domain/errors.js';

/** The key that whoever listens there shows, as known_hosts has it: type and base64. Nobody is logged in, and no password is sent. */
export async function scanHostKey(at: { host: string; port: number; timeoutSeconds: number }): Promise<Buffer> {
  const { host, port, timeoutSeconds } = at;
  const { Client } = await import('ssh2');
  const client = new Client();
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      client.on('error', (error) => reject(unreachable(at, error.message)));
      client.on('close', () => reject(unreachable(at, 'the connection was closed')));
      const hostVerifier = (key: Buffer): boolean => {
        resolve(key);
        return false;
      };
      client.connect({ host, port, username: 'nobody', readyTimeout: timeoutSeconds * 1000, hostVerifier });
    });
  } finally {
    client.destroy();
  }
}

const unreachable = ({ host, port }: { host: string; port: number }, reason: string): DriverError =>
  new DriverError('unavailable', `${host}:${port} shows no SSH host key: ${reason}`, {
    next: 'check san_ip and san_ssh_port in hpe.conf, and that the array takes SSH connections',
  });

/** The key's type stands at its beginning, behind its length. */
export const typeOfKey = (key: Buffer): string => key.subarray(4, 4 + key.readUInt32BE(0)).toString('ascii');

/** The line of a known_hosts file. */
export const knownHostsLine = ({ host, port }: { host: string; port: number }, key: Buffer): string =>
  `${port === 22 ? host : `[${host}]:${port}`} ${typeOfKey(key)} ${key.toString('base64')}\n`;
