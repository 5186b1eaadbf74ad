import { OPTION_NAMES, OPTIONS, type Option } from '../src/domain/option-table.js';

/** The rows that docs/options.md has to have, from the table that the plugin itself reads. */
export function optionRows(): string[][] {
  return OPTION_NAMES.map((name) => {
    const option: Option<unknown> = OPTIONS[name];
    return [`\`${name}\``, option.type, option.default ?? '', `\`${option.example}\``, option.meaning];
  });
}

/** The cells of the rows of a Markdown file's tables whose first cell is code; formatting pads them. */
export function tableRows(markdown: string): string[][] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()));
}

/** The `docker volume create` of a Markdown file, as the daemon gets them. */
export function createExamples(markdown: string): { name: string; options: Record<string, string> }[] {
  const lines = markdown.replaceAll('\\\n', ' ').split('\n');
  return lines
    .filter((line) => line.startsWith('docker volume create -d hpe '))
    .map((line) => {
      const words = line.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
      const after = (flag: string): string[] =>
        words.flatMap((word, at) => (word === flag ? [(words[at + 1] ?? '').replaceAll('"', '')] : []));
      const options = after('-o').map((text): [string, string] => {
        const [name = '', ...value] = text.split('=');
        return [name, value.join('=')];
      });
      return { name: after('--name')[0] ?? 'anonymous', options: Object.fromEntries(options) };
    });
}
