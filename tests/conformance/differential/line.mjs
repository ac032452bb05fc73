// line.mjs: a case as `poa-evm batch` and state tests have it.
import { assemble, hex, quantity, unhex } from './asm.mjs'
import { encode } from './keys.mjs'

export const codeOf = (a) => (a.delegate ? '0xef0100' + a.delegate.slice(2) : a.steps ? hex(assemble(a.steps)) : '0x')

export function toLine(c) {
  const e = c.env
  const tx = c.tx.initSteps ? { ...c.tx, data: assemble(c.tx.initSteps) } : c.tx
  return {
    fork: c.fork,
    env: {
      currentCoinbase: e.coinbase, currentNumber: quantity(e.number), currentTimestamp: quantity(e.timestamp), currentGasLimit: quantity(e.gasLimit),
      currentDifficulty: quantity(e.difficulty), currentRandom: quantity(e.random), currentBaseFee: quantity(e.baseFee),
      currentExcessBlobGas: quantity(e.excessBlobGas),
    },
    pre: Object.fromEntries(c.accounts.map((a) => [a.address, {
      nonce: quantity(a.nonce), balance: quantity(a.balance), code: codeOf(a),
      storage: Object.fromEntries(Object.entries(a.storage).map(([k, v]) => [quantity(k), quantity(v)])),
    }])),
    txbytes: hex(encode(tx)),
  }
}

// toStateTest: the line as a GeneralStateTests file, with what came out
export function toStateTest(name, line, result) {
  const valid = result.verdict === 'valid'
  return {
    [name]: {
      env: line.env,
      pre: line.pre,
      post: {
        [line.fork]: [{
          hash: result.root, logs: result.logs ?? '0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347',
          indexes: { data: 0, gas: 0, value: 0 }, txbytes: line.txbytes, ...(valid ? {} : { expectException: result.verdict }),
        }],
      },
    },
  }
}
export { unhex }
