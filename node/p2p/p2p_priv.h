#ifndef NODE_P2P_P2P_PRIV_H
#define NODE_P2P_P2P_PRIV_H

#include "lib/base/clock.h"
#include "lib/base/rng.h"
#include "node/p2p/discv4.h"
#include "node/p2p/p2p.h"
#include "node/p2p/rlpx.h"

enum {
    MAX_PEERS_DEFAULT = 50,
    CONNS_MAX = 512,          /* of any state */
    HANDSHAKES_IN = 64,       /* inbound connections before their Hello */
    HANDSHAKES_A_HOST = 16,   /* likewise, from one address; loopback is exempt */
    DIALS_AT_ONCE = 16,
    TARGETS = 1024,
    STATIC_TARGETS = 512,
    DIAL_TIMEOUT_MS = 8000,   /* connect, auth and Hello together */
    CLOSE_WAIT_MS = 2000,
    PING_EVERY_MS = 4000, /* they measure the clocks, too */
    SILENT_MS = 12000,    /* TCP itself notices a cut wire after minutes, and a healed one late */
    SILENT_BUSY_MS = 40000, /* while what we sent is on its way: the answer to a ping waits behind it */
    WRITE_QUEUE_MAX = 48 << 20,
    BACKOFF_MIN_MS = 500,
    BACKOFF_MAX_NEAR_MS = 5000, /* static and boot nodes, and peers of the last RECENT_MS: a healed wire is used soon */
    BACKOFF_MAX_REFUSED_MS = 30000, /* static and boot nodes that turned us away, or that we let go for what they did */
    BACKOFF_MAX_MS = 600000,
    RECENT_MS = 600000,
    FAILS_FORGET = 8,         /* of a node that is none of those */
    CROSSED_MS = 10000,       /* two connections this close together were dialled by both ends */
    STABLE_MS = 20000,        /* a connection that lasted this long sets the back-off to its minimum */
    TICK_MS = 250,
    SAVE_EVERY_MS = 60000,
    RX_KEEP = 64 << 10        /* receive memory kept between messages */
};

enum target_kind { TARGET_FOUND, TARGET_BOOT, TARGET_STATIC };
struct conn;
struct target {
    struct enode enode;
    enum target_kind kind;
    bool is_busy;      /* being resolved or dialled */
    bool is_refused;   /* the last connection ended by somebody's will */
    struct conn *conn; /* dialled by us, while it lasts */
    uint64_t next_ms;
    uint64_t seen_ms; /* was a peer until then; 0: never */
    unsigned fails;
    char why[96];
};

enum conn_state { CONN_CONNECTING, CONN_AUTH, CONN_ACK, CONN_HELLO, CONN_READY, CONN_CLOSING };
struct conn {
    uv_tcp_t tcp; /* first: handles are cast */
    uv_connect_t connect;
    uv_shutdown_t shutdown;
    struct p2p *p;
    uint64_t id;
    enum conn_state state;
    bool inbound, has_rlpx, has_pub, handle_closing, is_refused;
    struct rlpx rlpx;
    uint8_t pub[64];
    uint8_t *rx;
    size_t rx_at, rx_len, rx_cap, rx_need;
    struct p2p_hello hello;
    unsigned eth_version;
    uint64_t consensus_since_ms;
    unsigned n_consensus, n_consensus_bad; /* messages since then; bad ones in all */
    uint64_t opened_ms, deadline_ms, last_rx_ms, ping_ms;
    struct target *target;
    char remote[64], host[48], local[64];
};

struct p2p {
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t sync_timer, tick_timer;
    uv_udp_t udp;
    int n_handles; /* open or closing; the last one frees */
    bool stopping, has_udp;
    struct p2p_config cfg;
    char bind_ip[48], advertised_ip[48], client_id[128];
    uint16_t port;
    uint8_t pub[64];
    struct sync *sync;
    uint64_t sync_due;
    bool in_sync; /* inside a call of the sync: it asks for its timer itself */
    struct conn *conns[CONNS_MAX];
    size_t n_conns;
    uint64_t next_id;
    struct target *targets[TARGETS];
    size_t n_targets;
    size_t n_resolving;
    struct discv4 *disc;
    struct rng_seeded rng;
    struct buf inflate;
    uint8_t udp_rx[1536];
    uint64_t save_at, ticked_ms;
    bool has_news; /* for the table of peers */
    uint64_t bytes_in, bytes_out, messages_in, messages_out;
};

/* p2p.c */
PRINTF_LIKE(3, 4) void p2p_log(struct p2p *p, enum log_level level, const char *fmt, ...);
void p2p_arm_sync(struct p2p *p);
void p2p_handle_closed(struct p2p *p);
bool p2p_is_allowed(const struct p2p *p, const uint8_t pub[static 64]);
/** address_text: "ip:port" and the ip alone; either may be NULL. */
void address_text(char full[64], char host[48], const struct sockaddr *sa);

/* consensus.c */
enum { CONSENSUS_OFFSET = P2P_CAP_OFFSET + ETH_MESSAGE_N }; /* behind eth, in order of names */
void consensus_add_cap(struct p2p_hello *h, const struct p2p *p);
bool consensus_is_shared(const struct conn *c);
void consensus_receive(struct conn *c, unsigned id, bytes message);

/* conn.c */
void conn_accept(struct p2p *p);
/** conn_dial: ret E_NOMEM | E_LIMIT | E_IO: nothing was begun */
MUST_CHECK enum status conn_dial(struct p2p *p, struct target *t, const struct sockaddr *sa);
struct conn *conn_find(const struct p2p *p, uint64_t id);
/** conn_find_pub: a connection past the Hello with that node. */
struct conn *conn_find_pub(const struct p2p *p, const uint8_t pub[static 64]);
void conn_send(struct conn *c, unsigned id, bytes data);
void conn_disconnect(struct conn *c, enum disconnect_reason reason, const char *why);
void conn_close(struct conn *c, const char *why);
void conn_tick(struct p2p *p, uint64_t now);

/* dial.c */
struct target *target_find(const struct p2p *p, const uint8_t pub[static 64]);
/** target_add: or raise the kind of the one that is there and take the new address.  ret E_LIMIT | E_NOMEM | OK; own id: OK, and nothing */
MUST_CHECK enum status target_add(struct p2p *p, const struct enode *e, enum target_kind kind);
void target_remove(struct p2p *p, struct target *t);
void target_failed(struct target *t, struct p2p *p, const char *why, uint64_t now);
void target_worked(struct target *t);
/** target_is_near: worth dialling every few seconds */
bool target_is_near(const struct target *t, uint64_t now);
void dial_tick(struct p2p *p, uint64_t now);
void dial_fini(struct p2p *p);

/* peers_db.c: the table of peers: node id -> [enode URL, last seen (wall seconds), score] */
void peers_db_load(struct p2p *p);
void peers_db_save(struct p2p *p);

#endif
