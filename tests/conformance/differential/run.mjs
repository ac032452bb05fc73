// run.mjs: random transactions on poa-evm and on @ethereumjs/vm: gas, output, logs and state must agree.
//   node run.mjs [--cases N] [--seed S] [--case I] [--evm PROGRAM] [--found FOLDER] [--stop N] [--dump]
// --case I runs that one case of the seed and says what came out on both sides. A difference is cut down to a small case and written
// as a state test to FOLDER (default build/differential); what is kept for good is moved to found/ by hand, with the right root.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { generate } from './generate.mjs'
import { toLine, toStateTest } from './line.mjs'
import { postOf, runPeer } from './peer.mjs'
import { Rng } from './rng.mjs'
import { shrink } from './shrink.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const options = { cases: 10000, seed: Date.now() % 1000000000, case: null, evm: process.env.POA_EVM ?? `${here}../../../build/release/poa-evm`, found: `${here}../../../build/differential`, stop: 5, dump: false }
for (let i = 2; i < process.argv.length; i++) {
  const name = process.argv[i].replace(/^--/, '')
  if (!process.argv[i].startsWith('--') || !(name in options)) {
    console.error('usage: node run.mjs [--cases N] [--seed S] [--case I] [--evm PROGRAM] [--found FOLDER] [--stop N] [--dump]')
    process.exit(2)
  }
  if (name === 'dump') options.dump = true
  else options[name] = ['evm', 'found'].includes(name) ? process.argv[++i] : Number(process.argv[++i])
}

// --- ours: one process, answers in the order of the questions
const child = spawn(options.evm, ['batch'], { stdio: ['pipe', 'pipe', 'inherit'] })
const waiting = []
child.on('error', (e) => {
  console.log(`FAILED  ${options.evm}: ${e.message}\n0 passed, 1 failed`)
  process.exit(1)
})
child.on('exit', (code, signal) => {
  if (waiting.length > 0) {
    console.log(`FAILED  poa-evm ended with ${signal ?? code} at case ${waiting[0].index} of seed ${options.seed}\n0 passed, 1 failed`)
    process.exit(1)
  }
})
createInterface({ input: child.stdout }).on('line', (text) => waiting.shift().done(JSON.parse(text)))
async function runOurs(line, index = 'in shrinking') {
  const r = await new Promise((done) => {
    waiting.push({ done, index })
    child.stdin.write(JSON.stringify({ ...line, dump: true }) + '\n')
  })
  if (r.post !== undefined) r.post = postOf(r.post)
  return r
}

// --- what is left out, by SKIPS: lines "name | reason" whose name stands here
const SKIPS = new Map(readFileSync(`${here}../SKIPS`, 'utf8').split('\n').filter((l) => l.startsWith('differential/')).map((l) => l.slice(13).split(/\s*\|\s*/)))
const FILTERS = { 'reverted-ef': (line, { theirs }) => theirs.revertedEf }
for (const name of Object.keys(FILTERS)) if (!SKIPS.has(name)) throw new Error(`filter ${name} has no reason in SKIPS`)

const FIELDS = ['ok', 'gasUsed', 'output', 'logs', 'post', 'root']
const ROOTS_EVERY = 32 // the other side's Merkle tree is slow; accounts are compared every time
function differences(a, b) {
  if (a.error !== undefined) return ['error']
  if ((a.verdict === 'valid') !== (b.verdict === 'valid')) return ['verdict']
  if (a.verdict !== 'valid') return []
  return FIELDS.filter((f) => b[f] !== undefined && a[f] !== b[f])
}
async function compare(line, withRoots) {
  const [ours, theirs] = [await runOurs(line), await runPeer(line, withRoots)]
  return { ours, theirs, differ: differences(ours, theirs) }
}
const brief = (r) => JSON.stringify({ ...r, stack: undefined, post: undefined, output: r.output?.slice(0, 130) })
const filtered = (line, result) => Object.entries(FILTERS).find(([, f]) => f(line, result))?.[0]

// tight: a third of the cases runs once more, with little less gas than it took, or any amount up to that
async function tight(c, ours) {
  if (c.index % 3 !== 1 || ours.verdict !== 'valid') return null
  const r = new Rng(c.seed ^ 0x7167, c.index)
  const gas = r.weighted([[2, ours.gasUsed], [2, ours.gasUsed - 1], [2, ours.gasUsed - r.below(300)], [3, 21000 + r.below(Math.max(1, ours.gasUsed - 21000))],
    [1, Math.ceil(ours.gasUsed * (1 + r.below(100) / 80))]])
  const next = { ...c, tx: { ...c.tx, gas: Math.max(1, gas) } }
  const line = toLine(next)
  const result = await compare(line)
  return { c: next, line, result }
}

async function report(c, line, result) {
  console.log(`FAILED  seed ${c.seed} case ${c.index} (${c.fork}): ${result.differ.join(', ')} differ`)
  const kind = result.differ[0]
  const small = await shrink(c, async (candidate) => {
    const l = toLine(candidate)
    const r = await compare(l, kind === 'root')
    return r.differ.includes(kind) && filtered(l, r) === undefined
  })
  const smallLine = toLine(small)
  const r = await compare(smallLine, kind === 'root')
  mkdirSync(options.found, { recursive: true })
  const name = `${c.fork}-${c.seed}-${c.index}`
  writeFileSync(`${options.found}/${name}.json`, JSON.stringify(toStateTest(name, smallLine, r.ours), null, 1) + '\n')
  writeFileSync(`${options.found}/${name}.line`, JSON.stringify(smallLine) + '\n')
  console.log(`  ours:   ${brief(r.ours)}\n  theirs: ${brief(r.theirs)}\n  cut down: ${options.found}/${name}.json`)
}

async function one(index) {
  const c = generate(options.seed, index)
  const line = toLine(c)
  const { ours, theirs } = await compare(line)
  console.log(JSON.stringify(line, null, 1))
  console.log('ours', JSON.stringify(ours, null, 1))
  console.log('theirs', JSON.stringify(theirs, null, 1))
  return differences(ours, theirs).length === 0
}

async function main() {
  console.log(`seed ${options.seed}, ${options.cases} cases`)
  if (options.case !== null) return [await one(options.case), 1]
  let passed = 0, failed = 0, left = 0
  const skips = new Map(), forks = new Map()
  const began = Date.now()
  const CHUNK = 64
  for (let i = 0; i < options.cases && failed < options.stop; i += CHUNK) {
    const chunk = []
    for (let k = i; k < Math.min(i + CHUNK, options.cases); k++) {
      const c = generate(options.seed, k)
      const line = toLine(c)
      chunk.push({ c, line, ours: runOurs(line, k) })
    }
    for (const { c, line, ours } of chunk) {
      const result = { ours: await ours, theirs: await runPeer(line) }
      result.differ = differences(result.ours, result.theirs)
      if (result.differ.length === 0 && c.index % ROOTS_EVERY === 0) {
        result.theirs = await runPeer(line, true)
        result.differ = differences(result.ours, result.theirs)
      }
      const count = forks.get(c.fork) ?? { valid: 0, ok: 0, refused: 0 }
      forks.set(c.fork, count)
      if (result.ours.verdict !== 'valid') count.refused++
      else if (result.ours.ok) count.ok++
      else count.valid++
      const again = result.differ.length === 0 ? await tight(c, result.ours) : null
      for (const t of [{ c, line, result }, again]) {
        if (t === null) continue
        if (t.result.differ.length === 0) {
          passed++
          continue
        }
        const skip = filtered(t.line, t.result)
        if (skip !== undefined) {
          left++
          skips.set(skip, (skips.get(skip) ?? 0) + 1)
          continue
        }
        failed++
        await report(t.c, t.line, t.result)
      }
      if (failed >= options.stop) break
    }
  }
  for (const [fork, n] of forks) console.log(`  ${fork.padEnd(20)} ${n.ok} succeeded, ${n.valid} failed inside, ${n.refused} refused`)
  for (const [name, n] of skips) console.log(`  ${n} left out: ${name}: ${SKIPS.get(name)}`)
  console.log(`${passed + left + failed} runs in ${((Date.now() - began) / 1000).toFixed(1)} s`)
  return [failed === 0, passed, failed]
}

const [ok, passed, failed] = await main()
child.stdin.end()
if (failed !== undefined) console.log(`${passed} passed, ${failed} failed`)
process.exitCode = ok ? 0 : 1
