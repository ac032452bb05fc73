SRCS := pool.c pool_best.c
USES := lib/base lib/eth node/pool
