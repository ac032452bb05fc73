SRCS := exposition.c page.c process.c
USES := lib/base lib/metrics lib/net
