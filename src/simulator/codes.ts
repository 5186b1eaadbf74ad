/**
 * Error numbers of the array with their HTTP status (reference 2.2). Where no source gives the number of a known name
 * (reference 2.2, second table; 12.9) it is a private one from 1000 on: clients can only test the HTTP status there.
 */
const CODES = {
  INT_SERV_ERR: [500, 1],
  INPUT_TOO_LONG: [413, 4],
  INV_USER_PASS: [403, 5],
  INV_SESS_KEY: [403, 6],
  UNSUP_OP: [501, 9],
  URI_RES_NOT_FOUND: [404, 11],
  INV_INPUT: [400, 12],
  NON_EXISTENT_CPG: [404, 15],
  EXISTENT_HOST: [409, 16],
  NON_EXISTENT_HOST: [404, 17],
  EXISTENT_LUN: [409, 18],
  NON_EXISTENT_VLUN: [404, 19],
  NON_EXISTENT_PORT: [404, 20],
  BAD_PORT_TYPE: [400, 21],
  EXISTENT_VOL: [409, 22],
  NON_EXISTENT_VOL: [404, 23],
  EXPORTED_VLUN: [409, 26],
  TOO_LARGE: [400, 28],
  NOT_SWITCHED: [400, 29],
  NON_EXISTENT_DOMAIN: [404, 38],
  WRONG_TYPE: [400, 39],
  MISSING_REQUIRED: [400, 40],
  EXCEEDS_RANGE: [400, 43],
  PARAM_CONFLICT: [400, 44],
  EMPTY_STR: [400, 45],
  BAD_ENUM_VALUE: [400, 46],
  PORT_SPECIFICATION: [400, 55],
  EXCEEDS_LENGTH: [400, 57],
  JSON_SYNTAX: [400, 60],
  ILLEGAL_CHAR: [400, 69],
  EXISTENT_PATH: [409, 73],
  ONE_REQUIRED: [400, 78],
  NON_EXISTENT_PATH: [404, 80],
  DUP_PATH: [400, 98],
  BELOW_RANGE: [400, 115],
  VV_IN_REMOTE_COPY: [403, 120],
  NON_EXISTENT_RCOPY_GROUP: [404, 187],
  RCOPY_GROUP_STARTED: [403, 215],
  RCOPY_GROUP_MIXED_MODES_ON_ONE_TARGET: [400, 236],
  EXISTENT_RCOPY_GROUP: [409, 237],
  RCOPY_GROUP_NOT_STOPPED: [403, 284],
  // From here on: names of reference 2.2 whose number nobody published.
  SESSIONS_EXHAUSTED: [503, 1000],
  AUTO_LUN_ID_UNAVAILABLE: [409, 1001],
  NOT_IN_SAME_DOMAIN: [400, 1002],
  UNLICENSED_FEATURE: [403, 1003],
  RCOPY_TARGET_IS_NOT_READY: [403, 1010],
  RCOPY_INV_TARGET: [403, 1011],
  RCOPY_TARGET_NOT_UNIQUE: [400, 1012],
  RCOPY_GROUP_HAS_NO_CPG: [403, 1013],
  RCOPY_CPG_NOT_IN_SAME_DOMAIN: [403, 1014],
  RCOPY_TOO_MANY_TARGETS: [409, 1015],
  RCOPY_GROUP_IS_NOT_PERIODIC: [403, 1016],
  RCOPY_INV_POLICY_FOR_PERIODIC_GROUP: [403, 1017],
  RCOPY_INV_POLICY_FOR_SYNC_GROUP: [403, 1018],
  RCOPY_OPERATION_ONLY_ON_PRIMARY_SIDE: [403, 1019],
  RCOPY_OPERATION_ONLY_ON_SECONDARY_SIDE: [403, 1020],
  RCOPY_GROUP_EMPTY: [400, 1021],
  RCOPY_GROUP_ROLE_CONFLICT: [403, 1022],
  RCOPY_GROUP_NOT_STARTED: [403, 1023],
  RCOPY_GROUP_IS_BUSY: [403, 1024],
  RCOPY_GROUP_IN_FAILOVER_STATE: [403, 1025],
  RCOPY_SECONDARY_DOES_NOT_MATCH_PRIMARY: [403, 1026],
  RCOPY_VOL_SIZE_NOT_MATCH: [403, 1027],
  RCOPY_VOL_IN_OTHER_GROUP: [403, 1028],
  RCOPY_VOL_NO_SNAPSHOT_SPACE: [403, 1029],
  RCOPY_VOL_NOT_IN_SAME_DOMAIN: [403, 1030],
  RCOPY_MAX_VOL_REACHED: [403, 1031],
  RCOPY_TARGET_VOL_EXPORTED: [403, 1032],
  RCOPY_EXISTENT_VOL_IN_GROUP: [409, 1033],
  RCOPY_EXISTENT_VOL_ON_TARGET: [409, 1034],
  RCOPY_NON_EXISTENT_VOL_ON_TARGET: [404, 1035],
  RCOPY_VOL_NOT_IN_GROUP: [404, 1036],
  RCOPY_NON_EXISTENT_TARGET: [404, 1037],
  RCOPY_GROUP_NOT_SYNCED: [403, 1038],
  RCOPY_NOT_FAILSAFE: [403, 1039],
  BAD_LENGTH: [400, 1040],
  NON_EXISTENT_CHAP: [404, 1041],
} as const satisfies Record<string, readonly [number, number]>;

export type RefusalName = keyof typeof CODES;

/** What the array answers instead of doing it; the CLI prints the message, WSAPI the whole body (reference 2.1). */
export class Refusal extends Error {
  readonly reason: RefusalName;
  readonly status: number;
  readonly code: number;
  /** The member or path that is at fault. */
  readonly ref: string | undefined;

  constructor(reason: RefusalName, desc: string, ref?: string) {
    super(desc);
    this.name = 'Refusal';
    this.reason = reason;
    [this.status, this.code] = CODES[reason];
    this.ref = ref;
  }
}
