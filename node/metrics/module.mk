SRCS := metrics.c tally.c
USES := lib/base lib/eth lib/metrics node/aura node/chain node/metrics node/store
PKGS := jansson
