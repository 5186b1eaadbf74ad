import { connect } from 'node:net';

/** What came back on one connection. */
export interface RawReply {
  /** Status and body of each answer, in order. */
  answers: { status: number; body: string }[];
  /** The connection was closed by the other side before `ms` had passed. */
  closed: boolean;
}

/** How a request goes onto the wire. */
export interface Sending {
  /** Pieces, each in a packet of its own. */
  pieces: Buffer[];
  /** We hang up after the last piece instead of waiting for an answer. */
  abort: boolean;
}

/** Sends bytes, and reads until so many answers are there, the other side closes, or the time is up. */
export async function exchangeRaw(
  socketPath: string,
  { pieces, abort }: Sending,
  until: { answers: number; ms: number },
): Promise<RawReply> {
  const socket = connect(socketPath);
  let text = '';
  let closed = false;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, until.ms);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    socket.on('error', () => undefined);
    socket.on('close', () => {
      closed = true;
      end();
    });
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      if (answersIn(text).length >= until.answers) end();
    });
    socket.on('connect', () => {
      void sendAll(socket, { pieces, abort });
    });
  });
  const wasClosed = closed;
  socket.destroy();
  return { answers: answersIn(text), closed: wasClosed };
}

async function sendAll(socket: ReturnType<typeof connect>, { pieces, abort }: Sending): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    await new Promise<void>((resolve) => {
      socket.write(piece, () => resolve());
    });
  }
  if (abort) socket.destroy();
}

/** Complete answers with a Content-Length, chunked, or without a body. */
function answersIn(text: string): RawReply['answers'] {
  const answers: RawReply['answers'] = [];
  let rest = text;
  for (;;) {
    const head = /^HTTP\/1\.1 (\d{3})[^\r]*\r\n([\s\S]*?)\r\n\r\n/.exec(rest);
    if (head === null) return answers;
    const after = rest.slice(head[0].length);
    const headers = head[2] ?? '';
    const length = Number(/^content-length: *(\d+)/im.exec(headers)?.[1] ?? 0);
    const chunked = /^transfer-encoding: *chunked/im.test(headers);
    const body = chunked ? /^[0-9a-f]+\r\n([\s\S]*?)\r\n0\r\n\r\n/i.exec(after) : undefined;
    if (chunked ? body === null : after.length < length) return answers;
    answers.push({
      status: Number(head[1]),
      body: Buffer.from(body?.[1] ?? after.slice(0, length), 'latin1').toString(),
    });
    rest = after.slice(body?.[0].length ?? length);
  }
}
