// dom.js: elements out of plain values. Text goes in as text nodes only: nothing from the chain is ever read as HTML.

// h: an element. Properties: class, text, on*, data-*, any attribute; true sets it empty, false and null leave it out.
export function h(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props ?? {})) {
    if (v === null || v === undefined || v === false) continue;
    e.setAttribute(k, v === true ? '' : String(v));
  }
  add(e, children);
  return e;
}
function add(to, children) {
  for (const c of children) {
    if (c === null || c === undefined || c === false) continue;
    if (Array.isArray(c)) add(to, c);
    else to.append(c instanceof Node ? c : String(c));
  }
}

const sameKind = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.nodeType !== 1 || a.getAttribute('data-key') === b.getAttribute('data-key'));

// morph: make `to` look like `from`, keeping the elements that stay: focus, selection and what was typed survive
export function morph(to, from) {
  if (to.nodeType === 3) {
    if (to.data !== from.data) to.data = from.data;
    return;
  }
  if (to.nodeType === 1) {
    for (const { name } of [...to.attributes]) {
      if (!from.hasAttribute(name) && !(name === 'open' && to.nodeName === 'DETAILS')) to.removeAttribute(name);
    }
    for (const { name, value } of from.attributes) if (to.getAttribute(name) !== value) to.setAttribute(name, value);
  }
  const keyed = new Map();
  for (const c of to.children) if (c.hasAttribute('data-key')) keyed.set(c.getAttribute('data-key'), c);
  let at = to.firstChild;
  for (const want of [...from.childNodes]) {
    const key = want.nodeType === 1 ? want.getAttribute('data-key') : null;
    let have = key !== null ? keyed.get(key) : at;
    if (have && sameKind(have, want)) {
      if (have !== at) to.insertBefore(have, at);
      else at = at.nextSibling;
      morph(have, want);
    } else to.insertBefore(want, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// fill: the content of an element
export function fill(to, ...children) {
  const from = document.createDocumentFragment();
  add(from, children);
  const box = to.cloneNode(false);
  box.append(from);
  morph(to, box);
}

// plural: "1 vote", "2 votes"
export const plural = (n, one, many = one + 's') => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
export const count = (n) => Number(n).toLocaleString('en');
export const same = (a, b) => typeof a === 'string' && typeof b === 'string' && a.toLowerCase() === b.toLowerCase();
export const has = (list, a) => (list ?? []).some((x) => same(x, a));
// plainAlias: what this page itself says beside a name is taken out of it: an alias must not pass for your own account
export const plainAlias = (text) => (text ?? '').replace(/\(\s*you\s*\)/gi, '').trim();
export const short = (a) => `${a.slice(0, 6)}…${a.slice(-4)}`;

// ago: "12 s ago"
export function ago(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return `${s} s ago`;
  if (s < 5400) return `${Math.round(s / 60)} min ago`;
  if (s < 129600) return `${Math.round(s / 3600)} h ago`;
  return `${Math.round(s / 86400)} days ago`;
}
