import { BACKEND_RULE, RULES } from './option-rules.js';
import { OPTION_NAMES, OPTIONS, type Option } from './option-table.js';

/** Every option with its type, default and an example, and then the rules between them; one line for each. */
export function optionHelp(): string[] {
  const rows: Option<unknown>[] = OPTION_NAMES.map((name) => OPTIONS[name]);
  const width = Math.max(...rows.map(({ example }) => example.length));
  const lines = rows.map(({ example, type, default: usual, meaning }) => {
    const without = usual === undefined ? '' : `; default: ${usual}`;
    return `  -o ${example.padEnd(width)}  ${meaning} (${type}${without})`;
  });
  const rules = [...RULES.map(({ text }) => text), BACKEND_RULE].map((text) => `  ${text}.`);
  return [
    'Options of docker volume create, each with an example, what it means, what it takes, and what it is without being given:',
    ...lines,
    'Rules:',
    ...rules,
  ];
}
