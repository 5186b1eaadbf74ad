import { createInterface } from 'node:readline/promises';

/** Where progress is shown and questions are asked. */
export interface Terminal {
  say(line: string): void;
  /** Only a plain yes counts. */
  ask(question: string): Promise<boolean>;
}

/** Standard output and input; with `yes` nothing is asked. */
export function processTerminal({ yes }: { yes: boolean }): Terminal {
  return {
    say: (line) => console.log(line),
    async ask(question) {
      if (yes) return true;
      if (!process.stdin.isTTY) return false;
      const input = createInterface({ input: process.stdin, output: process.stdout });
      try {
        return ['y', 'yes'].includes((await input.question(`${question} [yes/no] `)).trim().toLowerCase());
      } finally {
        input.close();
      }
    },
  };
}
