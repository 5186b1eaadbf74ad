import type { Backend } from '../backend/backend.js';
import { findPartner } from '../backend/observe.js';
import { wayHome } from '../backend/paired.js';
import type { BackendManager } from '../backend/manager.js';
import type { ListedDetails } from '../contracts/inventory.js';
import { checkVolumeName, removeExportsCommand } from '../domain/names.js';
import type { OldVolume } from '../domain/old-volume.js';
import { parseMode, parseOwner } from '../domain/option-values.js';
import type { Group, Side } from '../domain/replication.js';
import { parseTag, type Tag } from '../domain/tag.js';
import type { Origin, Volume } from '../domain/volume.js';
import { cautiousLastActive } from './cautious-side.js';
import { oldDifferences } from './old-differences.js';
import { isOurName, rebuiltVolume } from './rebuilt-volume.js';
import type { SeenArray, Survey } from './survey.js';

/** A volume of the old plugin that its arrays show as it says. */
export interface Adopted {
  old: OldVolume;
  backend: Backend;
  volume: Volume;
  group?: Group;
}

/** What is asked about one volume. */
interface Question {
  old: OldVolume;
  backend: Backend;
  arrays: Partial<Record<Side, SeenArray>>;
}

type Copies = Partial<Record<Side, ListedDetails>>;

/** Thrown inside, caught by `planAdoption`. */
class Reason extends Error {}

/** Compares a volume's old record with its arrays, as they were seen. The reason, if it cannot be taken over as it is. */
export function planAdoption(old: OldVolume, backends: BackendManager, survey: Survey): Adopted | string {
  try {
    checkOwn(old);
    const backend = backends.find(old.backend);
    const arrays = backend && survey.get(backend);
    if (backend === undefined || arrays === undefined) throw new Reason(`hpe.conf has no backend ${old.backend}`);
    const question = { old, backend, arrays };
    const copies = copiesOf(question);
    const parent = old.snapshotOf && arrays.primary?.volumes.get(copies.primary?.snapshotOf ?? '')?.details;
    const group = groupOf(question);
    const proven = {
      backend,
      tag: tagOf(old, backend),
      copies,
      ...originOf(old),
      ...(parent === undefined ? {} : { shape: parent }),
    };
    const live = copies.primary;
    if (live === undefined) throw new Reason('the primary array has no such volume');
    const volume = rebuiltVolume({ ...proven, ...(group === undefined ? {} : { group: group.name }) }, live);
    return { old, backend, volume, ...(group === undefined ? {} : { group }) };
  } catch (thrown) {
    if (thrown instanceof Reason) return thrown.message;
    throw thrown;
  }
}

function checkOwn(old: OldVolume): void {
  try {
    checkVolumeName(old.name);
    if (old.fsOwner !== undefined) parseOwner(old.fsOwner);
    if (old.fsMode !== undefined) parseMode(old.fsMode);
  } catch (thrown) {
    throw new Reason(thrown instanceof Error ? thrown.message : String(thrown));
  }
  if (!isOurName(old.arrayName, old.id)) {
    throw new Reason(
      `its record names array volume ${old.arrayName}, which is not the name that goes with its id ${old.id}`,
    );
  }
  if (old.mountedOn.length === 0) return;
  const where = old.mountedOn
    .map((node) => (node === '?' ? 'a node that it does not name' : `node ${node}`))
    .join(', ');
  throw new Reason(
    `the old plugin has it mounted on ${where}; stop the containers that use it there, make a new dump, and repeat this`,
  );
}

/** Each copy as it has to be: there, of that size and kind, nobody else's, and exported to nobody. */
function copiesOf(question: Question): Copies {
  const { old, backend, arrays } = question;
  const sides = old.group === undefined ? (['primary'] as const) : backend.sides;
  const copies: Copies = {};
  for (const side of sides) {
    const array = arrays[side];
    const listed = array?.volumes.get(old.arrayName);
    if (array === undefined || listed === undefined)
      throw new Reason(`the ${side} array has no volume ${old.arrayName}`);
    if (listed.details === undefined)
      throw new Reason(`what ${array.label} says of ${old.arrayName} cannot be understood`);
    refuseForeign(old, listed.comment, array);
    const [host] = array.exports.get(old.arrayName) ?? [];
    if (host !== undefined) {
      throw new Reason(
        `${array.label} exports it to ${host}; stop what uses it, or remove the export: ${removeExportsCommand(old.arrayName, host)}`,
      );
    }
    const differences = oldDifferences(old, side, listed.details);
    if (differences.length > 0) throw new Reason(`on the ${side} array ${differences.join('; ')}`);
    copies[side] = listed.details;
  }
  return copies;
}

function refuseForeign(old: OldVolume, comment: string, array: SeenArray): void {
  if (comment === '') return;
  const tag = parseTag(comment);
  if (tag?.id === old.id && tag.name === old.name) return;
  throw new Reason(`its comment on ${array.label} says that it is somebody else's: ${JSON.stringify(comment)}`);
}

/** The record of its remote copy group, which both arrays have to show in its natural roles. */
function groupOf({ old, backend, arrays }: Question): Group | undefined {
  const name = old.group?.name;
  const member = (each: { members: { volume: string }[] }): boolean =>
    each.members.some(({ volume }) => volume === old.arrayName);
  const primary = arrays.primary?.groups.find(member);
  if (name === undefined) {
    if (primary !== undefined)
      throw new Reason(`it is a member of group ${primary.name}, of which its record knows nothing`);
    if (backend.settings.replication !== undefined && old.snapshotOf === undefined) {
      throw new Reason(
        `it is not replicated, and backend ${backend.name} is; put it into a group, or name a backend for its array alone in hpe.conf and in its record`,
      );
    }
    return undefined;
  }
  if (backend.settings.replication === undefined) {
    throw new Reason(`it is in group ${name}, but backend ${backend.name} has no replication_device in hpe.conf`);
  }
  const secondary = arrays.secondary?.groups.find((each) => each.name === primary?.remoteName);
  if (primary?.name !== name) throw new Reason(`the primary array does not show it in group ${name}`);
  if (secondary === undefined || secondary.remoteName !== name || !member(secondary)) {
    throw new Reason(`the secondary array does not show it in the partner of group ${name}`);
  }
  const remote = old.group?.remoteName ?? '';
  if (remote !== '' && remote !== secondary.name) {
    throw new Reason(`group ${name} is ${secondary.name} on the secondary array, its record says ${remote}`);
  }
  const [here, there] = [findPartner(backend, 'primary', primary), findPartner(backend, 'secondary', secondary)];
  if (here === undefined || there === undefined)
    throw new Reason(`group ${name} leads to another array than hpe.conf says`);
  if (primary.role !== 'primary' || here.roleReversed || there.roleReversed) {
    throw new Reason(`group ${name} is failed over; bring it home with ${wayHome(backend)}, and repeat this`);
  }
  const lastActive = cautiousLastActive(backend, { groups: { primary, secondary }, failures: {} });
  return { backend: backend.name, name, remoteName: secondary.name, createdByUs: false, lastActive, epoch: 1 };
}

/** As our own tag would have it. */
function tagOf(old: OldVolume, { settings }: Backend): Tag {
  const { cpg, snapCpg, qosName, fsOwner, fsMode, flashCache, mountConflictDelay } = old;
  const isOtherCpg = cpg !== undefined && cpg !== settings.cpg.primary;
  const isOtherSnapCpg = snapCpg !== undefined && snapCpg !== settings.snapCpg.primary;
  const spec = {
    mountConflictDelay,
    ...(isOtherCpg ? { cpg } : {}),
    ...(isOtherSnapCpg ? { snapCpg } : {}),
    ...(qosName === undefined ? {} : { qosName }),
    ...(flashCache ? { flashCache } : {}),
    ...(fsOwner === undefined ? {} : { fsOwner }),
    ...(fsMode === undefined ? {} : { fsMode }),
  };
  return { id: old.id, name: old.name, spec, isWhole: true };
}

function originOf({ snapshotOf, formerName }: OldVolume): { origin?: Origin } {
  if (snapshotOf !== undefined)
    return { origin: { kind: 'snapshot', of: snapshotOf.name, ofId: snapshotOf.id, side: 'primary' } };
  return formerName === undefined ? {} : { origin: { kind: 'import', formerName } };
}
