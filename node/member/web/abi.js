// abi.js: the contract's calls as data, its logs and reverts as values.
import { CALLS, EVENTS } from './contract.js';
import { checksum } from './keccak.js';

const word = (v) => BigInt(v).toString(16).padStart(64, '0');
const hexOf = (data) => Array.from(data, (b) => b.toString(16).padStart(2, '0')).join('');

function encodeValue(type, v) {
  if (type === 'address' || type === 'uint256') return { head: word(v) };
  if (type === 'address[]') return { tail: word(v.length) + v.map(word).join('') };
  if (type === 'string') {
    const data = new TextEncoder().encode(v), hex = hexOf(data);
    return { tail: word(data.length) + hex.padEnd(Math.ceil(data.length / 32) * 64, '0') };
  }
  throw new Error(`no encoding for ${type}`);
}

// encodeCall: data of a transaction
export function encodeCall(name, args = []) {
  const [selector, types] = CALLS[name];
  let head = '', tail = '';
  types.forEach((type, i) => {
    const v = encodeValue(type, args[i]);
    if (v.head !== undefined) head += v.head;
    else {
      head += word(types.length * 32 + tail.length / 2);
      tail += v.tail;
    }
  });
  return selector + head + tail;
}

const text = (hex) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(hex.match(/../g) ?? [], (b) => parseInt(b, 16)));

// a value whose word stands at `at` (in hex digits) of `data`
function decodeValue(type, data, at) {
  const raw = data.slice(at, at + 64);
  if (raw.length !== 64) throw new Error('the log is too short');
  const number = (from) => Number(BigInt('0x' + (data.slice(from, from + 64) || '0')));
  switch (type) {
    case 'address': return checksum('0x' + raw.slice(24));
    case 'bool': return BigInt('0x' + raw) !== 0n;
    case 'uint256': return Number(BigInt('0x' + raw));
    case 'bytes32': return '0x' + raw;
    case 'string': {
      const from = number(at) * 2;
      return text(data.slice(from + 64, from + 64 + number(from) * 2));
    }
    case 'address[]': {
      const from = number(at) * 2, n = Math.min(number(from), (data.length - from) / 64 - 1);
      return Array.from({ length: n }, (_, i) => checksum('0x' + data.slice(from + 64 * (i + 1) + 24, from + 64 * (i + 2))));
    }
    default: throw new Error(`no decoding for ${type}`);
  }
}

// decodeLog: {name, args: {...}} of a log of the contract; null for an event that it does not have
export function decodeLog(log) {
  const event = EVENTS[log.topics[0]];
  if (event === undefined) return null;
  const args = {}, data = log.data.slice(2);
  let topic = 1, at = 0;
  for (const [name, type, indexed] of event[1]) {
    if (indexed) args[name] = decodeValue(type, log.topics[topic++].slice(2), 0);
    else {
      args[name] = decodeValue(type, data, at);
      at += 64;
    }
  }
  return { name: event[0], args };
}

// revertReason: the text that a call was refused with, out of an error of a node or a wallet; '' when it has none
export function revertReason(error) {
  for (let e = error, depth = 0; e && depth < 5; e = e.data?.originalError ?? e.error ?? e.cause, depth++) {
    const data = typeof e.data === 'string' ? e.data : e.data?.data;
    if (typeof data === 'string' && data.startsWith('0x08c379a0')) {
      try { return decodeValue('string', data.slice(10), 0); } catch { /* the message may have it */ }
    }
    const said = /revert(?:ed)?(?: with reason string)?:? '?([^']+)/i.exec(e.message ?? '');
    if (said && !/^\s*$/.test(said[1])) return said[1].trim();
  }
  return '';
}
