import type { ServerChannel } from 'ssh2';
import { splitCommands } from './cli-words.js';

/** What one command printed: lines ending in `\n`, or '' when it was silent, as a successful change is. */
export interface CommandResult {
  output: string;
  failed: boolean;
}

/** The command line of one array. `newSession` starts with the settings of a fresh login: plain tables. */
export interface CommandLine {
  /** As the prompt shows it. */
  systemName: string;
  newSession(): CommandSession;
}

export interface CommandSession {
  /** @throws anything when the connection has to break without an answer. */
  run(command: string): Promise<CommandResult>;
}

/** One `exec` request: several commands may be separated by newlines or `;`; all of them run, as on the array. */
export async function runExec(channel: ServerChannel, cli: CommandLine, request: { text: string; tty: boolean }) {
  const session = cli.newSession();
  let failed = false;
  for (const command of splitCommands(request.text)) {
    if (isExit(command)) break;
    const result = await session.run(command);
    channel.write(request.tty ? withCarriageReturns(result.output) : result.output);
    failed ||= result.failed;
  }
  channel.exit(failed ? 1 : 0);
  channel.end();
}

/** Input from a pipe (`ssh array <commands.txt`): no prompt, no echo. */
export async function runPipedShell(channel: ServerChannel, cli: CommandLine): Promise<void> {
  let text = '';
  channel.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  await new Promise((resolve) => channel.on('end', resolve));
  await runExec(channel, cli, { text, tty: false });
}

export function isExit(command: string): boolean {
  return command === 'exit' || command === 'quit';
}

/** What a terminal makes of line ends. */
export function withCarriageReturns(text: string): string {
  return text.replace(/\r\n|\r|\n/g, '\r\n');
}
