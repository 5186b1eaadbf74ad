import ts from 'typescript';
import { collect, sourceFiles } from './source.js';

/** Fewer letters than that say nothing. */
const FEWEST_LETTERS = 8;

/** Every text of the source as a pattern, values left open; long enough to tell that a printed line comes from it. */
function patternsOf(root: string): RegExp[] {
  const texts = sourceFiles(root).flatMap((file) => collect(file, piecesOf));
  return texts
    .filter((pieces) => lettersOf(pieces.join('')) >= FEWEST_LETTERS)
    .map((pieces) => new RegExp(pieces.map((piece) => `(${escaped(piece)})`).join('[^]*?'), 'd'));
}

function piecesOf(node: ts.Node): string[][] {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return [[node.text]];
  if (!ts.isTemplateExpression(node)) return [];
  return [[node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)]];
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

let patterns: RegExp[] | undefined;

/** The rest are names and other values. */
const LEAST_SHARE = 0.5;

/** Whether the program still has words that most of this line is made of; `(…)` and what has digits in it are values. */
export function isSpoken(root: string, line: string): boolean {
  patterns ??= patternsOf(root);
  const open = line.split('');
  for (const pattern of patterns) {
    for (const piece of pattern.exec(line)?.indices?.slice(1) ?? []) open.fill(' ', piece?.[0] ?? 0, piece?.[1] ?? 0);
  }
  return lettersOf(open.join('')) <= lettersOf(line) * (1 - LEAST_SHARE);
}

const lettersOf = (text: string): number =>
  text.replaceAll(/\([^)]*\)|\S*\d\S*/g, '').replaceAll(/[^a-z]/gi, '').length;
