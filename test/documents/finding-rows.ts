import ts from 'typescript';
import { FINDINGS, type FindingId } from '../../src/doctor/finding.js';
import { USUAL_FIX } from '../../src/doctor/silence.js';
import { messages } from './error-rows.js';
import { collect, sourceFiles, valueOf, wordsOf } from './source.js';

interface Sight {
  id: FindingId;
  fix: string;
}

/** Every id of `doctor`: how bad, what it means, what it says and what it tells to type, as the source has them. */
export function findingRows(root: string): string[][] {
  const files = sourceFiles(root).filter(({ fileName }) => /^doctor\/|^commands\/doctor/.test(fileName));
  const sights = files.flatMap((file) => collect(file, (node) => [...reported(node), ...recognised(node, root)]));
  const meanings = meaningsOf(files);
  // Whatever is wrong with SSH otherwise, in the words of its library.
  const overSsh = messages(root).flatMap(({ file, says, fix }) =>
    file === 'array/cli.ts' && says.includes('cannot be reached') ? [fix] : [],
  );
  return Object.entries(FINDINGS).map(([id, severity]) => {
    const fixes = sights.filter((each) => each.id === id && each.fix !== '').map(({ fix }) => fix);
    if (id.startsWith('config-') && fixes.length === 0)
      fixes.push('correct that line: [each problem](messages.md#hpeconf-passwords)');
    if (fixes.length === 0 && id.startsWith('array-')) fixes.push(USUAL_FIX);
    if (fixes.length === 0 && id.startsWith('ssh-')) fixes.push(...overSsh);
    return [`\`${id}\``, severity, meanings.get(id) ?? '', [...new Set(fixes)].join(' / ')];
  });
}

const isFinding = (id: string): id is FindingId => id in FINDINGS;

/** `find('id', seen, fix)`. */
function reported(node: ts.Node): Sight[] {
  if (!ts.isCallExpression(node) || node.arguments.length !== 3) return [];
  const [first, , fix] = node.arguments;
  if (first === undefined || fix === undefined) return [];
  const ids = collect(valueOf(first), (each) => (ts.isStringLiteral(each) ? [each.text] : [])).filter(isFinding);
  return ids.map((id) => ({ id, fix: known(wordsOf(usualOf(fix))) }));
}

/** Of `next ?? 'what it is otherwise'`: the latter. */
const usualOf = (fix: ts.Expression): ts.Expression =>
  ts.isBinaryExpression(fix) && fix.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken ? fix.right : fix;

const known = (text: string): string => (/[a-z]{2}/.test(text) ? text.replaceAll(/\s+/g, ' ') : '');

/** Tables `[/words of a failure/, 'id'][]` by their names, and where those failures come from. */
const TABLES: ReadonlyMap<string, RegExp> = new Map([
  ['WSAPI', /^array\/(?!cli|host-key)|^commands\/doctor/],
  ['SSH', /^array\/(?:cli|host-key)|^commands\/doctor/],
  ['SETTINGS', /^host\/(?:multipath-conf|fc|iscsi)\./],
]);

/** The failures that such a table knows, each by the first words that fit, and their next steps. */
function recognised(node: ts.Node, root: string): Sight[] {
  if (!ts.isVariableDeclaration(node) || node.initializer === undefined) return [];
  const from = TABLES.get(node.name.getText());
  if (from === undefined || !ts.isArrayLiteralExpression(node.initializer)) return [];
  let left = messages(root).filter(({ file }) => from.test(file));
  return node.initializer.elements.flatMap((row) => {
    const [pattern, id] = ts.isArrayLiteralExpression(row) ? row.elements : [];
    const name = id === undefined ? '' : wordsOf(id);
    if (pattern === undefined || !ts.isRegularExpressionLiteral(pattern) || !isFinding(name)) return [];
    const fitting = left.filter((each) => fits(pattern.text.slice(1, -1), `${each.says}: ${each.cause}`));
    left = left.filter((each) => !fitting.includes(each));
    return fitting.map(({ fix }) => ({ id: name, fix }));
  });
}

/** Also where the words that differ are values. */
const fits = (pattern: string, text: string): boolean =>
  new RegExp(pattern).test(text) || text.includes(`${pattern.replace(/\(.*/, '')}…`);

/** The comment above each id of `FINDINGS`. */
function meaningsOf(files: readonly ts.SourceFile[]): Map<string, string> {
  const found = files.flatMap((file) =>
    collect(file, (node): [string, string][] => {
      const name = ts.isPropertyAssignment(node) && ts.isStringLiteral(node.name) ? node.name.text : '';
      const comment = isFinding(name) ? ts.getLeadingCommentRanges(file.text, node.pos)?.at(-1) : undefined;
      if (comment === undefined) return [];
      return [[name, file.text.slice(comment.pos, comment.end).replaceAll(/^\/\*\* | \*\/$/g, '')]];
    }),
  );
  return new Map(found);
}
