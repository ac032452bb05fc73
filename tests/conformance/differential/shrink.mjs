// shrink.mjs: delta debugging: the smallest case that still differs: fewer accounts, steps, items, bytes of data, simpler members.
async function fewer(list, works) {
  // ddmin on a list; works(list) tells whether the fault is still there
  let n = 2
  while (list.length >= 1) {
    const size = Math.ceil(list.length / n)
    let cut = false
    for (let at = 0; at < list.length; at += size) {
      const rest = [...list.slice(0, at), ...list.slice(at + size)]
      if (await works(rest)) {
        list = rest
        n = Math.max(n - 1, 2)
        cut = true
        break
      }
    }
    if (cut) continue
    if (n >= list.length) break
    n = Math.min(list.length, n * 2)
  }
  return list
}

const copy = (c) => ({ ...c, env: { ...c.env }, tx: { ...c.tx }, accounts: c.accounts.map((a) => ({ ...a, storage: { ...a.storage } })) })

export async function shrink(c, differs, limit_ms = 60000) {
  const until = Date.now() + limit_ms
  let best = copy(c)
  const attempt = async (change) => {
    if (Date.now() > until) return false
    const next = copy(best)
    if (change(next) === false) return false
    let ok = false
    try {
      ok = await differs(next)
    } catch {
      return false
    }
    if (ok) best = next
    return ok
  }
  for (let round = 0; round < 3; round++) {
    const before = JSON.stringify(best, (_, v) => (typeof v === 'bigint' ? String(v) : v)).length
    // accounts
    for (const address of best.accounts.map((a) => a.address)) await attempt((n) => void (n.accounts = n.accounts.filter((a) => a.address !== address)))
    // steps, then the items of all steps
    for (let i = 0; i < best.accounts.length; i++) {
      if (!best.accounts[i].steps) continue
      await fewer(best.accounts[i].steps, (steps) => attempt((n) => void (n.accounts[i].steps = steps)))
      await fewer(best.accounts[i].steps.flat(), (items) => attempt((n) => void (n.accounts[i].steps = [items])))
      for (const k of Object.keys(best.accounts[i].storage)) await attempt((n) => void delete n.accounts[i].storage[k])
    }
    // the transaction
    for (const list of ['accessList', 'auths', 'blobs'])
      if (best.tx[list]?.length > 0) await fewer(best.tx[list], (rest) => attempt((n) => void (n.tx[list] = rest)))
    if (best.tx.data.length > 0) await fewer([...best.tx.data], (rest) => attempt((n) => void (n.tx.data = Uint8Array.from(rest))))
    for (let i = 0; i < best.accounts.length; i++) {
      if (best.accounts[i].balance > 0n) await attempt((n) => void (n.accounts[i].balance = 0n))
      if (best.accounts[i].nonce > 0) await attempt((n) => void (n.accounts[i].nonce = 0))
    }
    if (best.tx.value > 0n) await attempt((n) => void (n.tx.value = 0n))
    if (best.tx.type > 0) await attempt((n) => void (n.tx.type = 0))
    const after = JSON.stringify(best, (_, v) => (typeof v === 'bigint' ? String(v) : v)).length
    if (after === before) break
  }
  return best
}
