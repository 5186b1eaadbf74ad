import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** A process of its own. */
export interface Child {
  /** The next line that it prints. */
  line(): Promise<string>;
  tell(line: string): void;
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** Waits until it ends by itself. */
  end(): Promise<void>;
  kill(): Promise<void>;
}

/** Runs a TypeScript file of this folder. */
export function startChild(script: string, args: string[]): Child {
  const file = path.join(import.meta.dirname, script);
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const closed = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    line: async () => {
      const next = await lines.next();
      if (next.done !== true) return next.value;
      const [code, signal] = (await closed) as [number | null, string | null];
      throw new Error(`the child ended without a word (${code ?? signal}): ${errors}`);
    },
    tell: (line) => void child.stdin.write(`${line}\n`),
    signal: (name) => void child.kill(name),
    end: async () => {
      if (!isOver()) await once(child, 'exit');
    },
    kill: async () => {
      if (isOver()) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}
