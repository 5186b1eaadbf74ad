import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

/** What every `new DriverError(…)` below src says, its code and its next step; `…` where a value stands. Without the simulator. */
export function errorRows(root: string): string[][] {
  const src = path.join(root, 'src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('simulator'))
    .toSorted();
  const rows = files.flatMap((name) =>
    rowsOf(ts.createSourceFile(name, readFileSync(path.join(src, name), 'utf8'), ts.ScriptTarget.Latest, true)),
  );
  const unique = new Map(rows.map((row) => [row.join('|'), row]));
  return [...unique.values()].toSorted((one, other) => (one.join('|') < other.join('|') ? -1 : 1));
}

function rowsOf(file: ts.SourceFile): string[][] {
  const rows: string[][] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isNewExpression(node) && node.expression.getText() === 'DriverError') rows.push(...rowOf(node));
    ts.forEachChild(node, visit);
  };
  visit(file);
  return rows;
}

function rowOf(node: ts.NewExpression): string[][] {
  const [code, message, options] = node.arguments ?? [];
  const text = message === undefined ? '' : textOf(message);
  // A message that is built elsewhere has no words here.
  if (!/[a-z]{3}/.test(text)) return [];
  const next = options !== undefined && ts.isObjectLiteralExpression(options) ? nextOf(options) : '';
  return [[text, code === undefined ? '' : textOf(code), next]];
}

function nextOf(options: ts.ObjectLiteralExpression): string {
  const found = options.properties.find((each) => each.name?.getText() === 'next');
  return found !== undefined && ts.isPropertyAssignment(found) ? textOf(found.initializer) : '';
}

/** The words of an expression. */
function textOf(node: ts.Expression): string {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node))
    return [node.head.text, ...node.templateSpans.map((span) => `…${span.literal.text}`)].join('');
  if (ts.isConditionalExpression(node)) return `${textOf(node.whenTrue)} / ${textOf(node.whenFalse)}`;
  if (ts.isBinaryExpression(node)) return `${textOf(node.left)}${textOf(node.right)}`;
  return '…';
}
