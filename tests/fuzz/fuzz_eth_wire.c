/* module: node/p2p */
/* Messages of the eth protocol from a peer past its Status, in a row: [message, length(2), bytes]..., against a chain of a few blocks. */
#include "tests/unit/node/sync/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const unsigned versions[] = {63, 66, 67, 68};

static void add_stranger(struct sim *sim, unsigned version)
{
    struct sim_node *nd = &sim->node[0];
    struct eth_status st = {.version = version, .network_id = 7, .td = u256_from_u64(1000), .head = {{1, 2, 3}},
                            .genesis = sim->genesis, .has_fork_id = eth_has_fork_id(version)};
    struct forkid_table f;
    struct buf b;
    forkid_init(&f, NULL, &sim->genesis, 0);
    forkid_at(&st.fork_id, &f, 0, 0);
    buf_init(&b, 512);
    eth_status_put(&b, &st);
    nd->linked[1] = true;
    if (sync_add_peer(nd->sync, 2, version, sim->now) != OK) abort();
    sync_receive(nd->sync, 2, ETH_STATUS, buf_view(&b), sim->now);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1 || len > 1 << 16) return 0;
    struct sim sim;
    const unsigned version = versions[data[0] % COUNT_OF(versions)];
    sim_init(&sim, 2);
    sim_mine_many(&sim.node[0], 5, 2, 10, "a");
    add_stranger(&sim, version);
    for (size_t at = 1; at + 3 <= len;) {
        const unsigned message = data[at] % (ETH_MESSAGE_N + 1);
        size_t n = (size_t)data[at + 1] << 8 | data[at + 2];
        at += 3;
        if (n > len - at) n = len - at;
        if (!sim.node[0].linked[1]) add_stranger(&sim, version);
        sync_receive(sim.node[0].sync, 2, message, bytes_make(data + at, n), sim.now);
        sim.now += 100;
        IGNORE(sync_tick(sim.node[0].sync, sim.now) > 1000, "any");
        at += n;
    }
    sim.now += 30000;
    IGNORE(sync_tick(sim.node[0].sync, sim.now) > 1000, "any");
    struct sync_state st;
    sync_get_state(&st, sim.node[0].sync);
    if (st.current_block < 5) abort();
    sim_fini(&sim);
    return 0;
}
