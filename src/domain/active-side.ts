import { otherSide, type GroupRunState, type Side, type SyncStatus } from './replication.js';

/** What one array said when both were asked at once about a group and one of its members. */
export type SideView =
  | { answer: 'silent'; reason: string }
  /** The array answered, but has no such group, no such member, no clear partner, or other copies than the peer names. */
  | { answer: 'mismatch'; what: string }
  | {
      answer: 'group';
      role: 'primary' | 'secondary';
      reversed: boolean;
      state: GroupRunState;
      /** Whether this array sees its links to the other one up; undefined when it could not tell. */
      linksUp: boolean | undefined;
      /** Members that are not in sync with the other array. */
      lagging: { volume: string; status: SyncStatus }[];
    };

type GroupView = Extract<SideView, { answer: 'group' }>;

export interface ActiveSideQuestion {
  views: Record<Side, SideView>;
  /** The side that we last mounted a member from. */
  lastActive: Side | undefined;
  /** The volume in question was mounted at least once. */
  everMounted: boolean;
  /** `replication_strict`: row 6 mounts nothing. */
  strict: boolean;
  /** The silent side that an override went past before; row 8 does not forget it. */
  passedOver?: Side | undefined;
  /** The side that an operator's override names; it lifts the refusals of rows 6 to 8 (rule 8), nothing else. */
  override?: Side | undefined;
}

/** The answer, with the number of the row of the safety rules' table that gave it. */
export type ActiveSide =
  | { side: Side; row: number; warning?: string; overridden?: true }
  | { side: undefined; row: number; reason: string; transition: boolean };

/** The words for one array's answer, for messages. */
export function describeView(view: SideView): string {
  if (view.answer === 'silent') return `no answer (${view.reason})`;
  if (view.answer === 'mismatch') return view.what;
  const role = `${view.role === 'primary' ? 'Primary' : 'Secondary'}${view.reversed ? '-Rev' : ''}`;
  const lag = view.lagging.map((member) => `${member.volume} ${member.status}`).join(', ');
  const links = view.linksUp === false ? ', links down' : '';
  return `${role}, ${view.state}${links}${lag === '' ? '' : `, not in sync: ${lag}`}`;
}

/**
 * Which array serves a group of an active/passive pair now: the role table of the safety rules, row by row. Rows are
 * tried with each array as X; a pair that no row names is row 11.
 */
export function decideActiveSide(question: ActiveSideQuestion): ActiveSide {
  const { primary, secondary } = question.views;
  if (primary.answer === 'silent' && secondary.answer === 'silent') {
    return refuse(10, 'neither array answers, so neither copy can be proven to be the live one');
  }
  for (const side of ['primary', 'secondary'] as const) {
    const view = question.views[side];
    if (view.answer === 'mismatch') return refuse(12, `the ${side} array: ${view.what}`);
    if (view.answer === 'group' && view.state === 'failsafe') {
      return refuse(
        12,
        `the group is in failsafe state on the ${side} array; an operator has to decide which copy is good`,
      );
    }
  }
  if (primary.answer === 'group' && secondary.answer === 'group') {
    return bothAnswered(question, { primary, secondary });
  }
  if (primary.answer === 'group') return oneAnswered(question, 'primary', primary);
  if (secondary.answer === 'group') return oneAnswered(question, 'secondary', secondary);
  return refuse(12, 'neither array shows the group');
}

function bothAnswered(question: ActiveSideQuestion, views: Record<Side, GroupView>): ActiveSide {
  for (const x of ['primary', 'secondary'] as const) {
    const y = otherSide(x);
    const [viewX, viewY] = [views[x], views[y]];
    if (is(viewX, 'primary', false) && is(viewY, 'secondary', false))
      return naturalRoles(question, x, { x: viewX, y: viewY });
    if (is(viewX, 'primary', false) && viewX.state !== 'started' && is(viewY, 'primary', true))
      return { side: y, row: 2 };
    if (is(viewX, 'secondary', true) && is(viewY, 'primary', true)) return { side: y, row: 3 };
  }
  return {
    side: undefined,
    row: 11,
    reason: 'the two arrays do not agree on who serves the group: it is in transition or damaged',
    transition: true,
  };
}

/** Row 1: after a failover the natural roles count again only when nothing is left to copy back. */
function naturalRoles(question: ActiveSideQuestion, x: Side, views: { x: GroupView; y: GroupView }): ActiveSide {
  const y = otherSide(x);
  if (question.lastActive !== y) return { side: x, row: 1 };
  if (views.x.state !== 'started') {
    return refuse(
      1,
      `the volume was last used on the ${y} array, and the group is ${views.x.state}: the ${x} copy may be old`,
    );
  }
  const lagging = [...views.x.lagging, ...views.y.lagging];
  const first = lagging[0];
  if (first !== undefined) {
    return refuse(
      1,
      `the volume was last used on the ${y} array, and ${first.volume} is not synced back yet (${first.status})`,
    );
  }
  return { side: x, row: 1 };
}

function oneAnswered(question: ActiveSideQuestion, y: Side, view: GroupView): ActiveSide {
  const x = otherSide(y);
  if (view.role === 'secondary') {
    return refuse(9, `the ${x} array does not answer, and the ${y} array holds the passive copy`);
  }
  if (view.reversed) return { side: y, row: 4 };
  const replicating = view.state === 'started' && view.linksUp === true;
  const usedThere = question.lastActive === x || question.passedOver === x;
  // Row 5 names no lastActive, row 8 does: a copy that X holds and Y has not got back must never be passed over.
  if (usedThere && !(replicating && view.lagging.length === 0)) {
    return unlessOverridden(question, y, {
      row: 8,
      reason: `the ${x} array does not answer, and ${question.lastActive === x ? 'the volume was last used there' : 'an override went past it before'}: it may hold newer data`,
    });
  }
  if (replicating) return { side: y, row: 5 };
  if (view.linksUp === false && (question.lastActive === y || !question.everMounted)) {
    if (question.strict) {
      return unlessOverridden(question, y, {
        row: 6,
        reason: `the ${x} array does not answer and its links are down; replication_strict forbids to go on alone`,
      });
    }
    return {
      side: y,
      row: 6,
      warning:
        `the ${x} array does not answer and the links to it are down: the ${y} array goes on alone, without replication. ` +
        `If the group was failed over to the ${x} array, what is written to the ${y} copy now is lost when the group is restored; ` +
        `next: make sure that it was not failed over, or set replication_strict = true in hpe.conf, which refuses such mounts`,
    };
  }
  return unlessOverridden(question, y, {
    row: 7,
    reason: `the ${x} array does not answer, and the group is ${view.state} on the ${y} array: somebody may be on the way to a failover`,
  });
}

/** Rule 8: the refusal, or the side that answers if the operator's override names that one. */
function unlessOverridden(question: ActiveSideQuestion, y: Side, refusal: { row: number; reason: string }): ActiveSide {
  const { row, reason } = refusal;
  if (question.override === undefined) return refuse(row, reason);
  if (question.override !== y) {
    return refuse(
      row,
      `${reason}; an override is in force, but it names the ${question.override} array, which is silent`,
    );
  }
  const warning = `${reason}; an operator's override lets the ${y} array be used all the same (row ${row})`;
  return { side: y, row, warning, overridden: true };
}

const is = (view: GroupView, role: 'primary' | 'secondary', reversed: boolean): boolean =>
  view.role === role && view.reversed === reversed;

/** The group is failed over, so the other array's copy is stale. */
export const isFailedOver = (row: number): boolean => row === 2 || row === 3 || row === 4;

const refuse = (row: number, reason: string): ActiveSide => ({ side: undefined, row, reason, transition: false });
