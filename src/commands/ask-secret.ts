import { buffer } from 'node:stream/consumers';
import type { ReadStream } from 'node:tty';
import { secretIn } from '../config/secret-file.js';
import { DriverError } from '../domain/errors.js';
import { Secret } from '../domain/secret.js';

/** Where a secret is typed or piped in, and where it is asked for. */
export interface Terminal {
  input: NodeJS.ReadableStream & Partial<Pick<ReadStream, 'isTTY' | 'setRawMode'>>;
  output: NodeJS.WritableStream;
}

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const BACKSPACES = ['\u007F', '\b'];

/** One line from a pipe; on a terminal it is typed twice and not shown. @throws `invalid` */
export async function askSecret(what: string, terminal: Terminal): Promise<Secret> {
  const { input } = terminal;
  if (input.isTTY !== true) return secretFrom(await buffer(input), 'the standard input');
  const first = await typed(`${what}: `, terminal);
  const again = await typed(`${what} once more: `, terminal);
  if (first !== again) throw new DriverError('invalid', 'the two differ; nothing was encrypted', { next: 'repeat' });
  return secretFrom(Buffer.from(first), 'what was typed');
}

function secretFrom(bytes: Buffer, place: string): Secret {
  const found = secretIn(bytes);
  if ('text' in found) return new Secret(found.text);
  throw new DriverError('invalid', `there is no secret in ${place}: ${found.problem}`, { next: 'give one line' });
}

/** The line that is typed, without an echo. */
async function typed(prompt: string, { input, output }: Terminal): Promise<string> {
  output.write(prompt);
  input.setRawMode?.(true);
  input.setEncoding('utf8');
  try {
    return await new Promise<string>((resolve, reject) => {
      let line: string[] = [];
      const take = (text: string | Buffer): void => {
        for (const key of text.toString()) {
          if (key === CTRL_C) return end(() => reject(new DriverError('invalid', 'given up; nothing was encrypted')));
          if (key === '\r' || key === '\n' || key === CTRL_D) return end(() => resolve(line.join('')));
          line = BACKSPACES.includes(key) ? line.slice(0, -1) : [...line, key];
        }
        return undefined;
      };
      const end = (settle: () => void): void => {
        input.off('data', take);
        input.pause();
        settle();
      };
      input.on('data', take);
      input.resume();
    });
  } finally {
    input.setRawMode?.(false);
    output.write('\n');
  }
}
