SRCS := exposition.c metrics.c process.c tally.c
USES := lib/base lib/eth lib/net node/aura node/chain node/metrics node/store
PKGS := jansson
