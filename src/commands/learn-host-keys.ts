import { appendFile, readFile } from 'node:fs/promises';
import { fingerprintOf } from '../array/host-key.js';
import { knownHostsLine, scanHostKey } from '../array/host-key-scan.js';
import { hostKeysOf } from '../array/known-hosts.js';
import { loadConfig, type ArrayConfig } from '../config/config.js';
import { asDriverError } from '../domain/errors.js';
import { errorCode } from '../host/error-code.js';

/**
 * `doctor --learn-host-keys`: writes the SSH host keys of arrays that `ssh_hosts_key_file` does not have into that file, and
 * shows each. A key that differs from the one in the file is told, and the file is left as it is. @throws ConfigError
 */
export async function learnHostKeys(configFile: string): Promise<{ lines: string[]; exitCode: number }> {
  const { config } = loadConfig(configFile);
  const arrays = [...config.backends.values()].flatMap(({ primary, secondary }) =>
    secondary === undefined ? [primary] : [primary, secondary],
  );
  const distinct = new Map(
    arrays.map((array) => [JSON.stringify([array.sanIp, array.sanPort, array.hostKeysFile]), array]),
  );
  const lines: string[] = [];
  let exitCode = 0;
  // One after the other: they write into one file.
  for (const array of distinct.values()) {
    const { line, isLearnt } = await learn(array);
    lines.push(line);
    if (!isLearnt) exitCode = 1;
  }
  return { lines, exitCode };
}

async function learn(array: ArrayConfig): Promise<{ line: string; isLearnt: boolean }> {
  const { sanIp: host, sanPort: port, sshTimeoutSeconds: timeoutSeconds, hostKeysFile: file } = array;
  const place = `${host}:${port}`;
  if (file === undefined) {
    return { isLearnt: false, line: `${place}: hpe.conf names no file for its key; next: set ssh_hosts_key_file` };
  }
  try {
    const key = await scanHostKey({ host, port, timeoutSeconds });
    const known = hostKeysOf(await readIfThere(file), host, port);
    const shown = fingerprintOf(key);
    if (known.some(({ base64, isRevoked }) => base64 === key.toString('base64') && !isRevoked)) {
      return { isLearnt: true, line: `${place}: ${shown} is in ${file} already` };
    }
    if (known.length > 0) {
      const next = `compare it with the array's own key; if it got a new one, remove its old line: ssh-keygen -R ${port === 22 ? host : `'[${host}]:${port}'`} -f ${file}`;
      return {
        isLearnt: false,
        line: `${place}: ${shown} is NOT the key in ${file}: it may be somebody else; next: ${next}`,
      };
    }
    await appendFile(file, knownHostsLine({ host, port }, key), { mode: 0o644 });
    return { isLearnt: true, line: `${place}: ${shown} was written to ${file}; compare it with the array's own key` };
  } catch (thrown) {
    return { isLearnt: false, line: asDriverError(thrown).toUserText() };
  }
}

async function readIfThere(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  });
}
