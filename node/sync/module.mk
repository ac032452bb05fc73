SRCS := announce.c fetch.c fetch_import.c fetch_segments.c forkid.c gossip.c peer.c serve.c skew.c sync.c wire.c
USES := lib/base lib/codec lib/crypto lib/eth node/chain node/sync
PKGS := zlib
