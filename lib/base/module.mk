SRCS := arena.c buf.c bytes.c clock.c err.c file.c guess.c log.c rng.c secret.c status.c utf8.c
USES := lib/base
