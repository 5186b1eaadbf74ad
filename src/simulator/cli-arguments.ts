/** A refusal in the array's words; nothing was changed. Its message is the line that the command prints. */
export class CliError extends Error {}

/** What a command accepts. Options with a value take the word after them. */
export interface Syntax {
  /** As `help` prints it: `stoprcopygroup [-f] <group>`. */
  usage: string;
  options?: string[];
  valueOptions?: string[];
  /** First words that the array knows and the simulator does not; the rest of such a line is not looked at. */
  notSimulated?: string[];
  /** Fewest and most words beside the options. */
  words: [number, number];
}

export interface Arguments {
  options: Set<string>;
  values: Map<string, string>;
  words: string[];
}

/** Sorts the words after the command's name. Options may stand anywhere, as operators type them. @throws CliError */
export function parseArguments(given: string[], syntax: Syntax): Arguments {
  const subcommand = given.find((word) => !word.startsWith('-'));
  if (subcommand !== undefined && syntax.notSimulated?.includes(subcommand))
    throw usageError(`subcommand ${subcommand} is not simulated`, syntax);
  const parsed: Arguments = { options: new Set(), values: new Map(), words: [] };
  const rest = [...given];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!/^-[A-Za-z]/.test(word)) parsed.words.push(word);
    else if (syntax.options?.includes(word)) parsed.options.add(word);
    else if (syntax.valueOptions?.includes(word)) {
      const value = rest.shift();
      if (value === undefined) throw usageError(`option ${word} needs a value`, syntax);
      parsed.values.set(word, value);
    } else throw usageError(`Invalid option ${word}`, syntax);
  }
  const [fewest, most] = syntax.words;
  if (parsed.words.length < fewest) throw usageError('too few arguments', syntax);
  if (parsed.words.length > most) throw usageError(`Invalid argument ${parsed.words[most]}`, syntax);
  return parsed;
}

function usageError(problem: string, { usage }: Syntax): CliError {
  return new CliError(`Error: ${problem}. Usage: ${usage}`);
}
