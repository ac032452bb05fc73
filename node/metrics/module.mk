SRCS := metrics.c tally.c
USES := lib/base lib/metrics node/aura node/chain node/metrics
PKGS := jansson
