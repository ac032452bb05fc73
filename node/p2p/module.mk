SRCS := conn.c consensus.c dial.c discv4.c hello.c p2p.c peers_db.c rlpx.c
USES := lib/base lib/codec lib/crypto lib/eth node/store node/sync node/p2p
PKGS := libuv
LIBS := -lsnappy
