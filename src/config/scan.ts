import type { Report } from './problem.js';

export interface ValueLine {
  text: string;
  line: number;
}

/** One key of one section, with the lines that its value goes over. */
export interface Entry {
  section: string;
  key: string;
  line: number;
  lines: ValueLine[];
}

export interface SectionHeader {
  name: string;
  line: number;
}

export interface Scan {
  sections: SectionHeader[];
  entries: Entry[];
}

/**
 * The lines of hpe.conf as keys and values (reference 9.1): `=` or `:`, whichever comes first; an indented line continues
 * the value before it; `#` and `;` begin a comment only as the first character of a line and are part of a value
 * elsewhere; one pair of quotes around a value goes. More lenient than the old parser in one point: blank lines and
 * comments do not end a value that goes on after them.
 */
export function scan(text: string, report: Report): Scan {
  const found: Scan = { sections: [], entries: [] };
  let section: string | undefined;
  /** What an indented line continues; an entry that is not in `found` swallows what follows a line already complained about. */
  let current: Entry | undefined;
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  lines.forEach((raw, index) => {
    const line = index + 1;
    const content = raw.trim();
    if (content === '' || content.startsWith('#') || content.startsWith(';')) return;
    if (content.includes(UNDECODABLE)) reportUndecodable(section, line, report);
    const indented = /^\s/.test(raw);
    if (isHeader(content, indented)) {
      const name = readHeader({ text: content, line }, indented, report);
      section = name;
      current = undefined;
      const isKnown = found.sections.some((known) => known.name === name);
      if (!isKnown && SECTION_NAME.test(name)) found.sections.push({ name, line });
      return;
    }
    if (indented) {
      if (current === undefined) reportStrayIndent(section, line, report);
      else current.lines.push({ text: content, line });
      return;
    }
    if (section === undefined) {
      section = 'DEFAULT';
      found.sections.push({ name: section, line });
      report.error({ section, line, what: 'a line stands before the first section', fix: 'put [DEFAULT] above it' });
    }
    const assignment = readAssignment(content);
    current = { section, key: assignment?.key ?? '', line, lines: [{ text: assignment?.value ?? '', line }] };
    if (assignment !== undefined) found.entries.push(current);
    else {
      report.error({
        section,
        line,
        what: 'the line is neither a [section] nor a key with a value',
        fix: 'write key = value, put # before a comment, or indent the line if it continues the value above',
      });
    }
  });
  return found;
}

const SECTION_NAME = /^[\w.-][\w .-]*$/;

/** An indented `[name]` is most likely a header; one with a colon is an IPv6 address in a list. */
const isHeader = (text: string, indented: boolean): boolean =>
  indented ? /^\[[\w .-]*\]$/.test(text) : text.startsWith('[');

function readHeader({ text, line }: ValueLine, indented: boolean, report: Report): string {
  const name = (/^\[([^\]]*)/.exec(text)?.[1] ?? '').trim();
  if (!/^\[[^\]]*\]\s*(?:[#;].*)?$/.test(text) || !SECTION_NAME.test(name)) {
    // It may hold anything, a password too, so it is not repeated.
    report.error({
      section: '?',
      line,
      what: 'the section header cannot be read',
      fix: "write [name] with letters, digits, blanks, '_', '.' and '-'",
    });
    return SECTION_NAME.test(name) ? name : '?';
  }
  if (indented) {
    report.error({
      section: name,
      line,
      what: 'the section header is indented, so it would continue the line above',
      fix: 'start it in the first column',
    });
  }
  return name;
}

/** What stands for a byte that is no UTF-8. In a password it would be a wrong one without a word. */
const UNDECODABLE = '\uFFFD';

function reportUndecodable(section: string | undefined, line: number, report: Report): void {
  report.error({
    section: section ?? 'DEFAULT',
    line,
    what: 'the line holds characters that are no UTF-8',
    fix: 'save the file as UTF-8',
  });
}

function reportStrayIndent(section: string | undefined, line: number, report: Report): void {
  report.error({
    section: section ?? 'DEFAULT',
    line,
    what: 'the line is indented, but there is nothing above it that it could continue',
    fix: 'start it in the first column',
  });
}

function readAssignment(text: string): { key: string; value: string } | undefined {
  const parts = /^([\w.-]+)\s*[:=]\s*(.*)$/s.exec(text);
  if (parts?.[1] === undefined || parts[2] === undefined) return undefined;
  return { key: parts[1], value: withoutQuotes(parts[2]) };
}

function withoutQuotes(text: string): string {
  const quote = text.charAt(0);
  return text.length > 1 && (quote === '"' || quote === "'") && text.endsWith(quote) ? text.slice(1, -1) : text;
}
