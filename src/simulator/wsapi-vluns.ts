import type { SimulatedArray } from './array.js';
import { Refusal } from './codes.js';
import type { PortPos, VlunTemplate } from './model.js';
import {
  activeVluns,
  createVlun,
  formatVlunId,
  isSamePos,
  MAX_LUN,
  parsePos,
  removeVlun,
  templateType,
  vlunIdOf,
} from './vluns.js';
import type { ActiveVlun, VlunId } from './vluns.js';
import type { Members } from './wsapi-body.js';
import { collection, created, findQuery, membersOf, OK, param, parseEquality, queryFlag } from './wsapi-route.js';
import type { Reply, Route, WsapiRequest } from './wsapi-route.js';

/** reference 5.2 */
export const VLUN_ROUTES: Route[] = [
  { method: 'GET', path: '/vluns', query: ['query'], handle: listVluns },
  { method: 'POST', path: '/vluns', handle: postVlun },
  { method: 'GET', path: '/vluns/:id', handle: getVlun },
  {
    method: 'DELETE',
    path: '/vluns/:id',
    query: ['noVcn'],
    handle: (request) => {
      queryFlag(request, 'noVcn');
      removeVlun(request.array, parseVlunId(param(request, 'id')));
      return OK;
    },
  },
];

interface VlunView {
  lun: number;
  volumeName: string;
  hostname?: string;
  remoteName?: string;
  portPos?: PortPos;
  active: boolean;
}

/** Active ones first: the Python plugin takes the first that fits (reference 5.2, 12.11). */
const allViews = (array: SimulatedArray): VlunView[] => [
  ...activeVluns(array).map(viewActive),
  ...array.vluns.map((template) => viewTemplate(template)),
];

function listVluns(request: WsapiRequest): Reply {
  const query = findQuery(request);
  if (query === undefined) return collection(allViews(request.array));
  const { field, value } = parseEquality(query, ['volumeName', 'hostname']);
  const key = field === 'hostname' ? 'hostname' : 'volumeName';
  return collection(allViews(request.array).filter((view) => view[key] === value));
}

function getVlun(request: WsapiRequest): Reply {
  const id = parseVlunId(param(request, 'id'));
  const view = allViews(request.array).find(
    (each) =>
      each.volumeName === id.volume &&
      each.lun === id.lun &&
      (id.host === undefined || each.hostname === id.host) &&
      (id.pos === undefined ? !each.active : isSamePos(each.portPos, id.pos)),
  );
  if (view === undefined) throw new Refusal('NON_EXISTENT_VLUN', `VLUN ${formatVlunId(id)} does not exist`);
  return { status: 200, body: view };
}

function postVlun(request: WsapiRequest): Reply {
  const body = membersOf(request);
  const autoLun = body.flag('autoLun');
  const wanted = {
    volumeName: body.getText('volumeName'),
    lun: body.getInteger('lun', { min: 0, max: MAX_LUN, tooLarge: true }),
    hostname: body.findText('hostname'),
    pos: readPos(body),
    autoLun,
    maxAutoLun: body.findInteger('maxAutoLun', { min: 0, max: MAX_LUN, tooLarge: true }) ?? 0,
  };
  body.findFlag('noVcn');
  body.findFlag('overrideLowerPriority');
  body.done();
  for (const name of [wanted.volumeName, wanted.hostname]) {
    if (name?.startsWith('set:')) throw new Refusal('UNSUP_OP', 'sets are not simulated yet');
  }
  const template = createVlun(request.array, wanted);
  return created(`/vluns/${formatVlunId(vlunIdOf(template))}`);
}

function readPos(body: Members): PortPos | undefined {
  const pos = body.findObject('portPos');
  if (pos === undefined) return undefined;
  const position = { node: pos.getInteger('node'), slot: pos.getInteger('slot'), cardPort: pos.getInteger('cardPort') };
  pos.done();
  return position;
}

/** `<vol>,<lun>,<host>[,<N:S:P>]`, `<vol>,<lun>,,<N:S:P>` without host. */
function parseVlunId(text: string): VlunId {
  const [volume = '', lun = '', host = '', port, ...rest] = text.split(',');
  const pos = port === undefined ? undefined : parsePos(port);
  if (volume === '' || !/^\d+$/.test(lun) || rest.length > 0 || (port !== undefined && pos === undefined)) {
    throw new Refusal('INV_INPUT', `${text} is no VLUN id`);
  }
  return { volume, lun: Number(lun), host: host === '' ? undefined : host, pos };
}

function viewTemplate(template: VlunTemplate) {
  return {
    lun: template.lun,
    volumeName: template.volume.name,
    ...(template.host !== undefined && { hostname: template.host.name }),
    ...(template.pos !== undefined && { portPos: template.pos }),
    type: templateType(template),
    volumeWWN: template.volume.wwn,
    multipathing: 2,
    failedPathPol: 2,
    failedPathInterval: 0,
    active: false,
  };
}

const viewActive = ({ template, host, initiator, port }: ActiveVlun) => ({
  ...viewTemplate(template),
  hostname: host.name,
  remoteName: initiator,
  portPos: port.pos,
  active: true,
});
