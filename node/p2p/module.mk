SRCS := hello.c rlpx.c
USES := lib/base lib/codec lib/crypto lib/eth node/store node/sync node/p2p
PKGS := libuv
LIBS := -lsnappy
