import { createInterface } from 'node:readline/promises';
import type { Vm } from './vm.js';

const COMMAND_MS = 600_000;

/** Runs the lines that are typed, each as a script of its own, in a guest, until the end of the input. */
export async function openShell(vm: Vm): Promise<void> {
  console.log(`the guest's /host is ${vm.dir}; its console is console.log there`);
  const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: 'guest# ' });
  lines.prompt();
  for await (const line of lines) {
    const { status, output } = await vm.exec(line, COMMAND_MS);
    process.stdout.write(output);
    if (status !== 0) console.log(`exit ${status}`);
    lines.prompt();
  }
}
