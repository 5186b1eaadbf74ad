import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs a program to its end, its output on ours (standard error). @throws when it does not end with 0 */
export async function run(command: string, args: string[], cwd: string): Promise<void> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 2, 2] });
  await once(child, 'exit');
  const { exitCode: code } = child;
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code ?? 'none, a signal ended it'}`);
}
