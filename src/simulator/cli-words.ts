/** Cuts a text into commands at newlines and `;`, except within quotes. Clients also end a command in a stray CR (reference 7.1). */
export function splitCommands(text: string): string[] {
  return (text.match(/(?:"[^"]*"|'[^']*'|[^;\r\n])+/g) ?? [])
    .map((command) => command.trim())
    .filter((command) => command !== '');
}

/** Cuts one command into its words; quotes keep blanks together and are dropped. */
export function splitWords(command: string): string[] {
  return (command.match(/(?:"[^"]*"|'[^']*'|\S)+/g) ?? []).map((word) => word.replace(/["']/g, ''));
}
