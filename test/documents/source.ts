import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

/** All files below src but the simulator's, parsed once. */
let parsed: readonly ts.SourceFile[] | undefined;

export function sourceFiles(root: string): readonly ts.SourceFile[] {
  const src = path.join(root, 'src');
  parsed ??= readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('simulator'))
    .toSorted()
    .map((name) => ts.createSourceFile(name, readFileSync(path.join(src, name), 'utf8'), ts.ScriptTarget.Latest, true));
  return parsed;
}

/** Every node below this one that the function makes something of. */
export function collect<T>(node: ts.Node, pick: (node: ts.Node) => T[]): T[] {
  const found = pick(node);
  ts.forEachChild(node, (child) => void found.push(...collect(child, pick)));
  return found;
}

/** What an object literal has under that name, also as a shorthand. */
export function propertyOf(object: ts.Node | undefined, name: string): ts.Expression | undefined {
  if (object === undefined || !ts.isObjectLiteralExpression(object)) return undefined;
  for (const each of object.properties) {
    if (each.name?.getText() !== name) continue;
    if (ts.isPropertyAssignment(each)) return each.initializer;
    if (ts.isShorthandPropertyAssignment(each)) return each.name;
  }
  return undefined;
}

/** What stands for a value. */
const VALUE = '…';
const DEEPEST = 6;

/** The words of an expression, `…` where only the run of the program knows; constants and one-line functions are looked up. */
export function wordsOf(node: ts.Node, depth = 0): string {
  if (depth > DEEPEST) return VALUE;
  const next = (each: ts.Node): string => wordsOf(each, depth + 1);
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node))
    return [node.head.text, ...node.templateSpans.map((span) => `${next(span.expression)}${span.literal.text}`)].join(
      '',
    );
  if (ts.isParenthesizedExpression(node)) return next(node.expression);
  if (ts.isConditionalExpression(node)) return either(next(node.whenTrue), next(node.whenFalse));
  if (ts.isBinaryExpression(node)) return ofTwo(node, next);
  if (ts.isIdentifier(node)) return ofValue(declared(node), next);
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) return ofCall(declared(node.expression), next);
  return VALUE;
}

function ofTwo({ left, operatorToken, right }: ts.BinaryExpression, next: (node: ts.Node) => string): string {
  if (operatorToken.kind === ts.SyntaxKind.PlusToken) return `${next(left)}${next(right)}`;
  return operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken ? either(next(left), next(right)) : VALUE;
}

/** `unknown`, `no map yet`. */
const LONGEST_STAND_IN = 20;

/** `one / other`; a piece that may be missing, or is a value either way, is only a value. */
function either(one: string, other: string): string {
  const known = [one, other].filter((each) => /[a-z]{3}/.test(each));
  if (known.length === 2 && Math.min(one.length, other.length) > 10) return known.join(' / ');
  return known.find((each) => each.length > LONGEST_STAND_IN) ?? VALUE;
}

/** The expression that a name stands for, as far as the source tells; else itself. */
export const valueOf = (node: ts.Expression): ts.Expression =>
  (ts.isIdentifier(node) ? declared(node) : undefined) ?? node;

/** What a constant is; a variable, a parameter or a part of something else is only a value. */
function ofValue(found: ts.Expression | undefined, next: (node: ts.Node) => string): string {
  return found === undefined || ts.isArrowFunction(found) ? VALUE : next(found);
}

/** What a function of one expression makes. */
function ofCall(found: ts.Expression | undefined, next: (node: ts.Node) => string): string {
  return found !== undefined && ts.isArrowFunction(found) && !ts.isBlock(found.body) ? next(found.body) : VALUE;
}

/** The value of a `const` of that name around this place, or exported by another file under a name that only it has. */
function declared(name: ts.Identifier): ts.Expression | undefined {
  for (let scope: ts.Node = name; ; scope = scope.parent) {
    if (isParameterOf(scope, name.text)) return undefined;
    const found = ts.isBlock(scope) || ts.isSourceFile(scope) ? constantIn(scope, name.text) : undefined;
    if (found !== undefined) return found;
    if (ts.isSourceFile(scope)) break;
  }
  const elsewhere = (parsed ?? []).flatMap((file) => constantIn(file, name.text) ?? []);
  return elsewhere.length === 1 ? elsewhere[0] : undefined;
}

function isParameterOf(scope: ts.Node, name: string): boolean {
  return (
    ts.isFunctionLike(scope) && scope.parameters.some((each) => new RegExp(`\\b${name}\\b`).test(each.name.getText()))
  );
}

function constantIn(scope: ts.Block | ts.SourceFile, name: string): ts.Expression | undefined {
  const statements = scope.statements.filter((each) => ts.isVariableStatement(each));
  for (const each of statements.flatMap(({ declarationList }) => [...declarationList.declarations])) {
    if (each.name.getText() === name) return each.initializer;
    const place = ts.isArrayBindingPattern(each.name)
      ? each.name.elements.findIndex((element) => ts.isBindingElement(element) && element.name.getText() === name)
      : -1;
    if (place !== -1 && each.initializer !== undefined) return elementOf(each.initializer, place);
  }
  return undefined;
}

/** Of `[a, b]`, and of the first branch of `is ? [a, b] : [c, d]`. */
function elementOf(list: ts.Expression, place: number): ts.Expression | undefined {
  if (ts.isConditionalExpression(list)) return elementOf(list.whenTrue, place);
  return ts.isArrayLiteralExpression(list) ? list.elements[place] : undefined;
}
